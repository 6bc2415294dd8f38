// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random signatures against a C compiler: C calls a stub by each of them, the target compares what it reads, and C
//! compares what it gets back; and the other way round, a C function is called that compares what it gets. `MOONPORT_MATRIX_SOURCE` writes the C program instead, for a compiler of another machine,
//! and `MOONPORT_MATRIX_LIBRARY` names what that has made.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, reason = "the values are made so that they fit")]

use std::ffi::{CStr, CString, c_int, c_void};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use moonport_callback::invoke;
use moonport_callback::layout::{Convention, Place, Scalar};
use moonport_callback::stub::{self, Call, Target};

const SIGNATURES: usize = 600;
const SCALARS: [(Scalar, &str); 12] = [
    (Scalar::Bool, "_Bool"),
    (Scalar::I8, "int8_t"),
    (Scalar::U8, "uint8_t"),
    (Scalar::I16, "int16_t"),
    (Scalar::U16, "uint16_t"),
    (Scalar::I32, "int32_t"),
    (Scalar::U32, "uint32_t"),
    (Scalar::I64, "int64_t"),
    (Scalar::U64, "uint64_t"),
    (Scalar::U64, "void *"),
    (Scalar::F32, "float"),
    (Scalar::F64, "double"),
];

/// xorshift64, the same in every process.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("small")
    }
}

/// A type, a value of it as [`Scalar::extend`] gives it, and the same in C.
struct Value {
    scalar: Scalar,
    c_type: &'static str,
    bits: u64,
    c: String,
}

fn value(random: &mut Random) -> Value {
    let (scalar, c_type) = SCALARS[random.below(SCALARS.len())];
    let pattern = random.next();
    let eighths = f64::from(i16::from_le_bytes([pattern.to_le_bytes()[0], pattern.to_le_bytes()[1]])) / 8.0;
    let (bits, c) = match scalar {
        Scalar::F32 => ((eighths as f32).to_bits().into(), format!("(float){eighths}")),
        Scalar::F64 => (eighths.to_bits(), format!("(double){eighths}")),
        Scalar::Bool => (pattern & 1, format!("(_Bool){}", pattern & 1)),
        _ => (scalar.extend(pattern), format!("({c_type})UINT64_C({pattern:#x})")),
    };
    Value { scalar, c_type, bits, c }
}

struct Signature {
    places: Vec<Place>,
    parameters: Vec<Value>,
    result: Option<Value>,
    matched: AtomicU32,
}

impl Target for Signature {
    fn call(&'static self, call: &mut Call) {
        for (parameter, place) in self.parameters.iter().zip(&self.places) {
            let matches = call.argument(*place, parameter.scalar) == parameter.bits;
            self.matched.fetch_add(u32::from(matches), Ordering::Relaxed);
        }
        if let Some(result) = &self.result {
            call.set_result(result.scalar, result.bits);
        }
    }
}

fn signatures() -> Vec<Signature> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut signature = || {
        let parameters: Vec<_> = (0..1 + random.below(14)).map(|_| value(&mut random)).collect();
        let scalars: Vec<_> = parameters.iter().map(|parameter| parameter.scalar).collect();
        let result = (random.below(8) > 0).then(|| value(&mut random));
        Signature { places: Convention::NATIVE.places(&scalars), parameters, result, matched: AtomicU32::new(0) }
    };
    (0..SIGNATURES).map(|_| signature()).collect()
}

/// `int call_I(void *f)` for each signature: 1 if the result is as expected; `take_I` has the signature itself, counts in
/// `taken` the arguments that are as expected and gives the result.
fn source(signatures: &[Signature]) -> String {
    let mut text = String::from("#include <stdint.h>\nint taken;\n");
    for (at, signature) in signatures.iter().enumerate() {
        let types: Vec<_> = signature.parameters.iter().map(|parameter| parameter.c_type).collect();
        let values: Vec<_> = signature.parameters.iter().map(|parameter| parameter.c.as_str()).collect();
        let result = signature.result.as_ref();
        let call = format!(
            "(({} (*)({}))f)({})",
            result.map_or("void", |result| result.c_type),
            types.join(", "),
            values.join(", ")
        );
        let body = match result {
            Some(result) => format!("return {call} == {};", result.c),
            None => format!("{call}; return 1;"),
        };
        writeln!(text, "int call_{at}(void *f) {{ {body} }}").expect("a string takes all");
        let named: Vec<_> = types.iter().enumerate().map(|(at, kind)| format!("{kind} a{at}")).collect();
        let counted: Vec<_> = values.iter().enumerate().map(|(at, value)| format!("(a{at} == {value})")).collect();
        let (kind, value) = result.map_or(("void", ""), |result| (result.c_type, result.c.as_str()));
        let (named, counted) = (named.join(", "), counted.join(" + "));
        writeln!(text, "{kind} take_{at}({named}) {{ taken = {counted}; return {value}; }}")
            .expect("a string takes all");
    }
    text
}

fn compile(source: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("moonport-matrix-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (c, library) = (folder.join("matrix.c"), folder.join("matrix.so"));
    std::fs::write(&c, source).expect("a file");
    let status = Command::new("cc").args(["-std=c99", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&c).status();
    assert!(status.expect("cc").success());
    library
}

#[cfg(unix)]
fn load(name: &CStr) -> *mut c_void {
    // SAFETY: the library has no initialisers.
    unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) }
}

#[cfg(unix)]
fn find_in(library: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: the library is open, the name ends with a NUL.
    unsafe { libc::dlsym(library, name.as_ptr()) }
}

#[cfg(windows)]
fn load(name: &CStr) -> *mut c_void {
    // SAFETY: the library has no initialisers but the C runtime's.
    unsafe { windows_sys::Win32::System::LibraryLoader::LoadLibraryA(name.as_ptr().cast()) }
}

#[cfg(windows)]
fn find_in(library: *mut c_void, name: &CStr) -> *mut c_void {
    use windows_sys::Win32::System::LibraryLoader::GetProcAddress;
    // SAFETY: the library is open, the name ends with a NUL.
    let found = unsafe { GetProcAddress(library, name.as_ptr().cast()) };
    found.map_or(std::ptr::null_mut(), |found| found as *mut c_void)
}

#[test]
fn every_signature_passes_its_arguments_and_its_result() {
    let signatures: &'static [Signature] = signatures().leak();
    if let Some(file) = std::env::var_os("MOONPORT_MATRIX_SOURCE") {
        return std::fs::write(file, source(signatures)).expect("a file");
    }
    let given = std::env::var_os("MOONPORT_MATRIX_LIBRARY").map(PathBuf::from);
    let library = given.clone().unwrap_or_else(|| compile(&source(signatures)));
    let name = CString::new(library.as_os_str().as_encoded_bytes()).expect("no NUL");
    let handle = load(&name);
    assert!(!handle.is_null(), "{} cannot be loaded", library.display());
    let find = |name: String| {
        let symbol = CString::new(name).expect("no NUL");
        let found = find_in(handle, &symbol);
        assert!(!found.is_null(), "{symbol:?}");
        found
    };
    let taken: *const c_int = find("taken".into()).cast_const().cast();
    for (at, signature) in signatures.iter().enumerate() {
        let function = find(format!("call_{at}"));
        // SAFETY: `source` gives the function this type.
        let call =
            unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> c_int>(function) };
        let stub = stub::bind(signature).expect("a stub");
        // SAFETY: it calls the stub by the signature of its target.
        assert_eq!(unsafe { call(stub.address()) }, 1, "the result of signature {at}");
        let matched = signature.matched.load(Ordering::Relaxed) as usize;
        assert_eq!(matched, signature.parameters.len(), "the arguments of signature {at}");

        let scalars = signature.parameters.iter().map(|parameter| parameter.scalar).collect();
        let arguments: Vec<_> = signature.parameters.iter().map(|parameter| parameter.bits).collect();
        let forward = invoke::Signature::new(scalars, signature.result.as_ref().map(|result| result.scalar));
        // SAFETY: `source` gives the function this signature.
        let result = unsafe { forward.call(find(format!("take_{at}")), &arguments) };
        assert_eq!(result, signature.result.as_ref().map_or(0, |result| result.bits), "calling {at}: the result");
        // SAFETY: it is an int of the library's, which this thread alone changes.
        let taken = unsafe { *taken }.unsigned_abs() as usize;
        assert_eq!(taken, signature.parameters.len(), "calling {at}: the arguments");
    }
    if given.is_none() {
        let folder = library.parent().expect("a folder");
        std::fs::remove_dir_all(folder).expect("our folder");
    }
}

/// `cargo test --release -- --ignored --nocapture price` prints what one call through a stub costs.
#[test]
#[ignore = "a measurement"]
fn the_price_of_a_call() {
    struct Nothing;
    impl Target for Nothing {
        fn call(&'static self, _: &mut Call) {}
    }
    let stub = stub::bind(&Nothing).expect("a stub");
    // SAFETY: the target looks at nothing.
    let call = unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn(u64, u64)>(stub.address()) };
    let count = 20_000_000_u32;
    let begun = std::time::Instant::now();
    for i in 0..count {
        // SAFETY: as above.
        unsafe { std::hint::black_box(call)(i.into(), 2) };
    }
    #[allow(clippy::disallowed_macros, reason = "to be read by whoever asked")]
    let tell = |price: f64| println!("{price:.2} ns a call");
    tell(begun.elapsed().as_nanos() as f64 / f64::from(count));
}
