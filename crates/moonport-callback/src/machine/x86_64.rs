// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64, System V calling convention.

use std::arch::global_asm;

use super::Table;

pub(crate) const COUNT: usize = 8192;

/// A stub has 8 bytes: it puts its number in its group into al, and a short jump takes it to the end of the group.
pub(crate) const TABLE: Table = Table { in_group: 16, spacing: 8, group_size: 144 };

/// What the common part of the stubs saves, in this order.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    /// rdi, rsi, rdx, rcx, r8, r9; the first becomes rax.
    pub(crate) integers: [u64; 6],
    /// The lower halves of xmm0 to xmm7; the first becomes xmm0.
    pub(crate) floats: [u64; 8],
}

global_asm!(
    r#"
    .text
    .balign 64
"#,
    begin!("moonport_stubs"),
    r#"
    .cfi_startproc
    .set moonport_stub_group, 0
    .rept {groups}
    .balign 16
    .set moonport_stub_number, 0
    .rept {in_group}
    endbr64
    mov al, moonport_stub_number
    jmp 3f
    .set moonport_stub_number, moonport_stub_number + 1
    .endr
3:
    movzx eax, al
    add eax, moonport_stub_group
    jmp 2f
    .set moonport_stub_group, moonport_stub_group + {in_group}
    .endr
    .cfi_endproc
    .balign 64
2:
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
    end!("moonport_stubs"),
    r#"
    .balign 16
"#,
    begin!("moonport_invoke"),
    r#"
    .cfi_startproc
    endbr64
    push rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov rbp, rsp
    .cfi_def_cfa_register rbp
    push rbx
    .cfi_offset rbx, -24
    push r12
    .cfi_offset r12, -32
    mov r12, rdi
    mov rbx, rsi
    lea rax, [rcx * 8 + 15]
    and rax, -16
    sub rsp, rax
    mov rsi, rdx
    mov rdi, rsp
    rep movsq
    mov rdi, [rbx]
    mov rsi, [rbx + 8]
    mov rdx, [rbx + 16]
    mov rcx, [rbx + 24]
    mov r8, [rbx + 32]
    mov r9, [rbx + 40]
    movsd xmm0, [rbx + 48]
    movsd xmm1, [rbx + 56]
    movsd xmm2, [rbx + 64]
    movsd xmm3, [rbx + 72]
    movsd xmm4, [rbx + 80]
    movsd xmm5, [rbx + 88]
    movsd xmm6, [rbx + 96]
    movsd xmm7, [rbx + 104]
    call r12
    mov [rbx], rax
    movsd [rbx + 48], xmm0
    lea rsp, [rbp - 16]
    pop r12
    pop rbx
    leave
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
"#,
    end!("moonport_invoke"),
    groups = const COUNT / TABLE.in_group,
    in_group = const TABLE.in_group,
    enter = sym crate::stub::enter,
);
