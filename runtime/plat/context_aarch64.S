/*
 * context_aarch64.S - leaving and resuming flows, AAPCS64.
 *
 * A saved flow, from its sp upwards:
 *
 *     x29 x30 x19 x20 ... x27 x28 d8 d9 ... d14 d15
 *
 * where x30 says where to go on. A flow goes on by ret, because a branch to a
 * register must meet a landing pad where branch targets are checked. Return
 * addresses are saved as they came: callers that sign theirs sign them against
 * their own frames, which do not move.
 */
    .text

/*
 * void thrum_context_port_leave(struct context *self, struct context *loop,
 *                               context_next *next, void *arg)
 */
    .globl  thrum_context_port_leave
    .hidden thrum_context_port_leave
    .type   thrum_context_port_leave, %function
    .p2align 5
thrum_context_port_leave:
    .cfi_startproc
    hint    #34                     /* bti c */
    stp     x29, x30, [sp, #-160]!
    .cfi_adjust_cfa_offset 160
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp     x19, x20, [sp, #16]
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    stp     x21, x22, [sp, #32]
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    stp     x23, x24, [sp, #48]
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    stp     x25, x26, [sp, #64]
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    stp     x27, x28, [sp, #80]
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    stp     d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp     d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp     d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp     d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    .cfi_remember_state
    mov     x9, sp
    str     x9, [x0]
    ldr     x9, [x1]
    mov     sp, x9                  /* the loop's stack, empty */
    .cfi_def_cfa sp, 0
    .cfi_undefined x30              /* nobody called the loop */
    mov     x0, x3
    mov     x29, #0
    blr     x2
    ldr     x9, [x0]
    mov     sp, x9                  /* the flow that goes on */
    .cfi_restore_state
    ldp     d14, d15, [sp, #144]
    ldp     d12, d13, [sp, #128]
    ldp     d10, d11, [sp, #112]
    ldp     d8, d9, [sp, #96]
    ldp     x27, x28, [sp, #80]
    ldp     x25, x26, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x21, x22, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #160
    .cfi_adjust_cfa_offset -160
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    ret
    .cfi_endproc
    .size   thrum_context_port_leave, . - thrum_context_port_leave

/* The first frame of a flow: entry in x19, its argument in x20. */
    .type   flow_start, %function
    .p2align 4
flow_start:
    .cfi_startproc
    .cfi_undefined x30              /* outermost: unwinding ends here */
    hint    #34                     /* bti c */
    mov     x0, x20
    blr     x19
    brk     #1                      /* entry does not return */
    .cfi_endproc
    .size   flow_start, . - flow_start

/*
 * void *thrum_context_port_flow(void *low, void *top, context_entry *entry,
 *                               void *arg)
 */
    .globl  thrum_context_port_flow
    .hidden thrum_context_port_flow
    .type   thrum_context_port_flow, %function
    .p2align 4
thrum_context_port_flow:
    .cfi_startproc
    hint    #34                     /* bti c */
    and     x0, x1, #-16
    adrp    x9, flow_start
    add     x9, x9, :lo12:flow_start
    stp     xzr, x9, [x0, #-160]!   /* x29: ends chains of frame pointers */
    stp     x2, x3, [x0, #16]
    stp     xzr, xzr, [x0, #32]
    stp     xzr, xzr, [x0, #48]
    stp     xzr, xzr, [x0, #64]
    stp     xzr, xzr, [x0, #80]
    stp     xzr, xzr, [x0, #96]
    stp     xzr, xzr, [x0, #112]
    stp     xzr, xzr, [x0, #128]
    stp     xzr, xzr, [x0, #144]
    ret
    .cfi_endproc
    .size   thrum_context_port_flow, . - thrum_context_port_flow

/* void *thrum_context_port_loop(void *low, void *top) */
    .globl  thrum_context_port_loop
    .hidden thrum_context_port_loop
    .type   thrum_context_port_loop, %function
    .p2align 4
thrum_context_port_loop:
    .cfi_startproc
    hint    #34                     /* bti c */
    and     x0, x1, #-16
    ret
    .cfi_endproc
    .size   thrum_context_port_loop, . - thrum_context_port_loop

/* No executable stack. Landing pads: yes; signed returns and GCS: no. */
    .section .note.GNU-stack, "", %progbits
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long   4, 16, 5                /* name, contents, NT_GNU_PROPERTY_TYPE_0 */
    .asciz  "GNU"
    .long   0xc0000000, 4           /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long   1, 0                    /* BTI; padding */
