// SPDX-License-Identifier: MIT OR Apache-2.0
//! Does the system let this process write code and run it? LuaJIT ends the process if it is turned on where it may not.

const SIZE: usize = 4096;

#[cfg(unix)]
pub(crate) fn may_be_made() -> bool {
    // SAFETY: a new mapping, with no address that is wanted.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: the page is ours, and nobody looks at it.
    let allowed = unsafe { libc::mprotect(page, SIZE, libc::PROT_READ | libc::PROT_EXEC) } == 0;
    // SAFETY: as above.
    unsafe { libc::munmap(page, SIZE) };
    allowed
}

#[cfg(windows)]
pub(crate) fn may_be_made() -> bool {
    use windows_sys::Win32::System::Memory::{
        MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_EXECUTE_READ, PAGE_READWRITE, VirtualAlloc, VirtualFree,
        VirtualProtect,
    };
    // SAFETY: new memory, with no address that is wanted.
    let page = unsafe { VirtualAlloc(std::ptr::null(), SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) };
    if page.is_null() {
        return false;
    }
    let mut before = 0;
    // SAFETY: the page is ours, and nobody looks at it.
    let allowed = unsafe { VirtualProtect(page, SIZE, PAGE_EXECUTE_READ, &raw mut before) } != 0;
    // SAFETY: as above; all of it is given back.
    unsafe { VirtualFree(page, 0, MEM_RELEASE) };
    allowed
}
