// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stubs themselves: addresses, binding, threads, errno, panics, memory that may not become executable.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use moonport_callback::layout::{Convention, Scalar};
use moonport_callback::stub::{self, Call, Stub, Target};

/// Adds its arguments (int, double), and counts its calls.
struct Add(AtomicU64);

impl Target for Add {
    fn call(&'static self, call: &mut Call) {
        let places = Convention::NATIVE.places(&[Scalar::I32, Scalar::F64]);
        let left = call.argument(places[0], Scalar::I32).cast_signed() as f64;
        let right = f64::from_bits(call.argument(places[1], Scalar::F64));
        self.0.fetch_add(1, Ordering::Relaxed);
        set_errno(77);
        assert!(left < 1e6, "as asked");
        call.set_result(Scalar::F64, (left + right).to_bits());
    }
}

#[cfg(unix)]
fn set_errno(value: i32) {
    // SAFETY: takes nothing.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's errno.
    unsafe { *place = value };
}

#[cfg(windows)]
fn set_errno(value: i32) {
    // SAFETY: takes a number.
    unsafe { windows_sys::Win32::Foundation::SetLastError(value.cast_unsigned()) };
}

type Adder = unsafe extern "C" fn(i32, f64) -> f64;

fn adder(stub: Stub) -> Adder {
    // SAFETY: the target reads its arguments by this signature.
    unsafe { std::mem::transmute::<*const c_void, Adder>(stub.address()) }
}

#[test]
fn a_stub_calls_its_target_from_every_thread_and_keeps_errno() {
    let target: &'static Add = Box::leak(Box::new(Add(AtomicU64::new(0))));
    let add = adder(stub::bind(target).expect("a stub"));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                set_errno(thread);
                for i in 0..1000 {
                    // SAFETY: the signature is the target's.
                    assert!((unsafe { add(i, 0.5) } - f64::from(i) - 0.5).abs() < 1e-9);
                }
                assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(thread));
            });
        }
    });
    assert_eq!(target.0.load(Ordering::Relaxed), 8000);
    // SAFETY: as above. The target panics at so large a number.
    assert!(unsafe { add(1_000_000, 0.5) }.abs() < 1e-9);
}

#[test]
fn stubs_are_found_by_their_address_alone() {
    let first = stub::bind(Box::leak(Box::new(Add(AtomicU64::new(0))))).expect("a stub");
    let address = first.address();
    assert_eq!(Stub::find(address), Some(first));
    assert_eq!(Stub::find(address.wrapping_byte_add(1)), None);
    assert_eq!(Stub::find(address.wrapping_byte_sub(1)), None);
    assert_eq!(Stub::find(std::ptr::null()), None);
    assert_eq!(Stub::find(address.wrapping_byte_add(16 * stub::COUNT)), None);
    // Few are bound here: the 16th is not.
    let spacing = if cfg!(all(target_arch = "x86_64", unix)) { 8 } else { 16 };
    let unbound = address.wrapping_byte_add(spacing * (15 - first.number()));
    assert_eq!(Stub::find(unbound), None);
    // SAFETY: an unbound stub looks at no argument and gives zero.
    let unbound = unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn() -> u64>(unbound) };
    // SAFETY: as above.
    assert_eq!(unsafe { unbound() }, 0);
}

/// All of this runs in a process that may not make memory executable.
#[cfg(unix)]
#[test]
fn no_executable_memory_is_made() {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    const CHILD: &str = "MOONPORT_TEST_MDWE";
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let _guard = ONE_AT_A_TIME.lock();
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"));
    child.env(CHILD, "1");
    #[allow(clippy::multiple_unsafe_ops_per_block, reason = "prctl is called in the other process")]
    // SAFETY: prctl is async-signal-safe; 65 is PR_SET_MDWE, 1 PR_MDWE_REFUSE_EXEC_GAIN.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut child, || {
            if libc::prctl(65, 1, 0, 0, 0) == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    match child.status() {
        Ok(status) => assert!(status.success()),
        // Kernels before 6.3 and emulators do not know it.
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}"),
    }
}
