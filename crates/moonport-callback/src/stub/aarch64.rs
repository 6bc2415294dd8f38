// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stubs of AArch64, procedure call standard AAPCS64.

use std::arch::global_asm;
use std::ffi::c_void;

pub(super) const COUNT: usize = 8192;

/// What the common part of the stubs saves, in this order.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Registers {
    /// x0 to x7; the first is a result too.
    pub(super) integers: [u64; 8],
    /// d0 to d7; the first is a result too.
    pub(super) floats: [u64; 8],
}

global_asm!(
    r#"
    .text
    .balign 64
    .hidden moonport_stubs
    .globl moonport_stubs
    .type moonport_stubs, %function
moonport_stubs:
    .cfi_startproc
    .set .Lmoonport_stub, 0
    .rept {count}
    .balign 16
    hint #34
    mov w17, #.Lmoonport_stub
    b .Lmoonport_common
    nop
    .set .Lmoonport_stub, .Lmoonport_stub + 1
    .endr
    .cfi_endproc
    .size moonport_stubs, . - moonport_stubs
    .balign 64
.Lmoonport_common:
    .cfi_startproc
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    .cfi_def_cfa x29, 16
    sub sp, sp, #128
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp d0, d1, [sp, #64]
    stp d2, d3, [sp, #80]
    stp d4, d5, [sp, #96]
    stp d6, d7, [sp, #112]
    mov w0, w17
    mov x1, sp
    add x2, x29, #16
    bl {enter}
    ldr x0, [sp]
    ldr d0, [sp, #64]
    mov sp, x29
    ldp x29, x30, [sp], #16
    .cfi_def_cfa sp, 0
    ret
    .cfi_endproc
"#,
    count = const COUNT,
    enter = sym super::enter,
);

unsafe extern "C" {
    static moonport_stubs: u8;
}

/// The address of stub 0.
pub(super) fn first() -> *const c_void {
    (&raw const moonport_stubs).cast()
}
