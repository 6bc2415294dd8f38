// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which Lua has loaded this module: on Windows an import names a DLL, and the Lua of a program may be lua51.dll, a DLL of any
//! other name, or the executable itself. `scripts/build-windows` has the linker leave Lua's functions open: each is looked for at its
//! first call, here, in the image that has called us.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use windows_sys::Win32::System::Diagnostics::Debug::RtlCaptureStackBackTrace;
use windows_sys::Win32::System::LibraryLoader::GetProcAddress;

use crate::pin;
use crate::report;

/// The image with Lua's functions.
static LUA: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Called by the module's entry before anything of Lua's is: who has called that is Lua.
pub(crate) fn note_caller() {
    let mut frames = [ptr::null_mut(); 8];
    // SAFETY: the array has room for eight frames.
    let count = unsafe { RtlCaptureStackBackTrace(0, 8, frames.as_mut_ptr(), ptr::null_mut()) };
    let own = pin::image();
    let callers = frames.iter().take(count.into()).map(|frame| pin::image_of(*frame));
    if let Some(lua) = callers.into_iter().find(|image| !image.is_null() && *image != own) {
        LUA.store(lua, Ordering::Relaxed);
    }
}

/// What the linker's stubs pass: addresses from the image's start.
#[repr(C)]
struct Descriptor {
    attributes: u32,
    name: u32,
    module: u32,
    /// The functions' addresses, and in the same order their names.
    functions: u32,
    names: u32,
    rest: [u32; 3],
}

/// The first call of one of Lua's functions: writes its address into `place`, and gives it.
///
/// # Safety
/// Only the linker's stubs call it.
#[unsafe(no_mangle)]
unsafe extern "system" fn __delayLoadHelper2(descriptor: *const Descriptor, place: *mut usize) -> usize {
    let image: *const u8 = pin::image().cast_const().cast();
    // SAFETY: the linker has made it.
    let descriptor = unsafe { &*descriptor };
    let at = |offset: u32| image.wrapping_add(offset as usize);
    let number = (place.addr() - at(descriptor.functions).addr()) / size_of::<usize>();
    let names: *const u64 = at(descriptor.names).cast();
    // SAFETY: there are as many names as functions.
    let entry = unsafe { names.wrapping_add(number).read() };
    // Behind a number of two bytes, which nobody needs.
    let name: *const c_char = at(u32::try_from(entry).unwrap_or(0)).wrapping_add(2).cast();
    // SAFETY: the image is that of a Lua that runs, and the name ends with a NUL.
    let found = unsafe { GetProcAddress(LUA.load(Ordering::Relaxed), name.cast()) };
    let Some(found) = found else {
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        report::print(None, &format!("the program that has loaded this module exports no {name}: another Lua?"));
        // There is nobody to return to.
        std::process::abort();
    };
    #[expect(clippy::fn_to_numeric_cast_any, reason = "the stubs jump there")]
    let address = found as usize;
    // SAFETY: the place is the stub's word; others may write the same there.
    unsafe { place.write(address) };
    address
}
