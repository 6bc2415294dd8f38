// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64, procedure call standard AAPCS64.

use std::arch::global_asm;

use super::Table;

pub(crate) const COUNT: usize = 8192;

pub(crate) const TABLE: Table = Table { in_group: 8192, spacing: 16, group_size: 8192 * 16 };

/// What the common part of the stubs saves, in this order.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    /// x0 to x7; the first is a result too.
    pub(crate) integers: [u64; 8],
    /// d0 to d7; the first is a result too.
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
    .set moonport_stub_number, 0
    .rept {count}
    .balign 16
    hint #34
    mov w17, #moonport_stub_number
    b 2f
    nop
    .set moonport_stub_number, moonport_stub_number + 1
    .endr
    .cfi_endproc
    .balign 64
2:
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
    end!("moonport_stubs"),
    r#"
    .balign 16
"#,
    begin!("moonport_invoke"),
    r#"
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    mov x29, sp
    .cfi_def_cfa x29, 32
    str x19, [sp, #16]
    .cfi_offset x19, -16
    mov x19, x1
    mov x16, x0
    add x4, x3, #1
    and x4, x4, #-2
    sub sp, sp, x4, lsl #3
    mov x5, sp
1:
    cbz x3, 2f
    ldr x6, [x2], #8
    str x6, [x5], #8
    sub x3, x3, #1
    b 1b
2:
    ldp d0, d1, [x19, #64]
    ldp d2, d3, [x19, #80]
    ldp d4, d5, [x19, #96]
    ldp d6, d7, [x19, #112]
    ldp x0, x1, [x19]
    ldp x2, x3, [x19, #16]
    ldp x4, x5, [x19, #32]
    ldp x6, x7, [x19, #48]
    blr x16
    str x0, [x19]
    str d0, [x19, #64]
    mov sp, x29
    ldr x19, [sp, #16]
    ldp x29, x30, [sp], #32
    .cfi_def_cfa sp, 0
    ret
    .cfi_endproc
"#,
    end!("moonport_invoke"),
    count = const COUNT,
    enter = sym crate::stub::enter,
);
