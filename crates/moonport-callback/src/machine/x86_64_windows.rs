// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64, calling convention of Windows: arguments have registers by their position, 32 bytes above the return address belong
//! to the function called, and every frame is described for unwinding. What else must survive a call (rsi, rdi, xmm6 to xmm15)
//! the functions called here keep by themselves.

use std::arch::global_asm;

use super::Table;

pub(crate) const COUNT: usize = 8192;

pub(crate) const TABLE: Table = Table { in_group: 8192, spacing: 16, group_size: 8192 * 16 };

/// What the common part of the stubs saves, in this order.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    /// rcx, rdx, r8, r9; the first becomes rax.
    pub(crate) integers: [u64; 4],
    /// The lower halves of xmm0 to xmm3; the first becomes xmm0.
    pub(crate) floats: [u64; 4],
}

// A stub itself is a leaf: nothing is on its stack, and it needs no description.
global_asm!(
    r#"
    .text
    .balign 64
    .globl moonport_stubs
    .def moonport_stubs
    .scl 2
    .type 32
    .endef
moonport_stubs:
    .set .Lmoonport_stub, 0
    .rept {count}
    .balign 16
    mov eax, .Lmoonport_stub
    jmp moonport_stub_common
    .set .Lmoonport_stub, .Lmoonport_stub + 1
    .endr
    .balign 64
    .def moonport_stub_common
    .scl 3
    .type 32
    .endef
    .seh_proc moonport_stub_common
moonport_stub_common:
    sub rsp, 104
    .seh_stackalloc 104
    .seh_endprologue
    mov [rsp + 32], rcx
    mov [rsp + 40], rdx
    mov [rsp + 48], r8
    mov [rsp + 56], r9
    movsd [rsp + 64], xmm0
    movsd [rsp + 72], xmm1
    movsd [rsp + 80], xmm2
    movsd [rsp + 88], xmm3
    mov ecx, eax
    lea rdx, [rsp + 32]
    lea r8, [rsp + 112]
    call {enter}
    mov rax, [rsp + 32]
    movsd xmm0, [rsp + 64]
    add rsp, 104
    ret
    .seh_endproc

    .balign 16
    .globl moonport_invoke
    .def moonport_invoke
    .scl 2
    .type 32
    .endef
    .seh_proc moonport_invoke
moonport_invoke:
    push rbp
    .seh_pushreg rbp
    push rbx
    .seh_pushreg rbx
    push rsi
    .seh_pushreg rsi
    push rdi
    .seh_pushreg rdi
    sub rsp, 8
    .seh_stackalloc 8
    mov rbp, rsp
    .seh_setframe rbp, 0
    .seh_endprologue
    mov rax, rcx
    mov rbx, rdx
    mov rsi, r8
    mov rcx, r9
    lea rdx, [rcx * 8 + 15]
    and rdx, -16
    mov r10d, 32
    cmp rdx, r10
    cmovb rdx, r10
    sub rsp, rdx
    mov rdi, rsp
    rep movsq
    mov rcx, [rbx]
    mov rdx, [rbx + 8]
    mov r8, [rbx + 16]
    mov r9, [rbx + 24]
    movsd xmm0, [rbx + 32]
    movsd xmm1, [rbx + 40]
    movsd xmm2, [rbx + 48]
    movsd xmm3, [rbx + 56]
    call rax
    mov [rbx], rax
    movsd [rbx + 32], xmm0
    lea rsp, [rbp + 8]
    pop rdi
    pop rsi
    pop rbx
    pop rbp
    ret
    .seh_endproc
"#,
    count = const COUNT,
    enter = sym crate::stub::enter,
);
