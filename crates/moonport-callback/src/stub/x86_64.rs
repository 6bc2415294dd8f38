// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stubs of x86-64, System V calling convention.

use std::arch::global_asm;
use std::ffi::c_void;

pub(super) const COUNT: usize = 8192;

/// What the common part of the stubs saves, in this order.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Registers {
    /// rdi, rsi, rdx, rcx, r8, r9; the first becomes rax.
    pub(super) integers: [u64; 6],
    /// The lower halves of xmm0 to xmm7; the first becomes xmm0.
    pub(super) floats: [u64; 8],
}

global_asm!(
    r#"
    .text
    .balign 64
    .hidden moonport_stubs
    .globl moonport_stubs
    .type moonport_stubs, @function
moonport_stubs:
    .cfi_startproc
    .set .Lmoonport_stub, 0
    .rept {count}
    .balign 16
    endbr64
    mov eax, .Lmoonport_stub
    jmp .Lmoonport_common
    .set .Lmoonport_stub, .Lmoonport_stub + 1
    .endr
    .cfi_endproc
    .size moonport_stubs, . - moonport_stubs
    .balign 64
.Lmoonport_common:
    .cfi_startproc
    push rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov rbp, rsp
    .cfi_def_cfa_register rbp
    sub rsp, 112
    mov [rsp], rdi
    mov [rsp + 8], rsi
    mov [rsp + 16], rdx
    mov [rsp + 24], rcx
    mov [rsp + 32], r8
    mov [rsp + 40], r9
    movsd [rsp + 48], xmm0
    movsd [rsp + 56], xmm1
    movsd [rsp + 64], xmm2
    movsd [rsp + 72], xmm3
    movsd [rsp + 80], xmm4
    movsd [rsp + 88], xmm5
    movsd [rsp + 96], xmm6
    movsd [rsp + 104], xmm7
    mov edi, eax
    mov rsi, rsp
    lea rdx, [rbp + 16]
    call {enter}
    mov rax, [rsp]
    movsd xmm0, [rsp + 48]
    leave
    .cfi_def_cfa rsp, 8
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
