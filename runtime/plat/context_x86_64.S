/*
 * context_x86_64.S - leaving and resuming flows, System V x86-64.
 *
 * A saved flow, from its sp upwards:
 *
 *     r15 r14 r13 r12 rbx rbp   where-to-go-on
 *
 * A flow goes on by a return. The processor predicts returns by the calls that
 * it has seen, which were another flow's; but flows that wait mostly wait in
 * the same place, so the prediction is right, and so are those of the callers'
 * returns behind it. A jump is predicted by itself (2.9 ns a switch against
 * 12.5 between two flows that wait in different places, tests/plat_context.c),
 * but leaves one call without its return, and every return that follows is
 * then predicted wrong: a yield through the scheduler took 40 ns with it, and
 * 20 ns so (bench yield 1000).
 */
    .text

/*
 * void thrum_context_port_leave(struct context *self, struct context *loop,
 *                               context_next *next, void *arg)
 */
    .globl  thrum_context_port_leave
    .hidden thrum_context_port_leave
    .type   thrum_context_port_leave, @function
    .p2align 5
thrum_context_port_leave:
    .cfi_startproc
    endbr64
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    .cfi_remember_state
    movq    %rsp, (%rdi)
    movq    (%rsi), %rsp            /* the loop's stack, empty */
    .cfi_def_cfa %rsp, 0
    .cfi_undefined %rip             /* nobody called the loop */
    movq    %rcx, %rdi
    xorl    %ebp, %ebp
    callq   *%rdx
    movq    (%rax), %rsp            /* the flow that goes on */
    .cfi_restore_state
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size   thrum_context_port_leave, . - thrum_context_port_leave

/* The first frame of a flow: entry in r12, its argument in r13. */
    .type   flow_start, @function
    .p2align 4
flow_start:
    .cfi_startproc
    .cfi_undefined %rip             /* outermost: unwinding ends here */
    endbr64
    movq    %r13, %rdi
    callq   *%r12
    ud2                             /* entry does not return */
    .cfi_endproc
    .size   flow_start, . - flow_start

/*
 * void *thrum_context_port_flow(void *low, void *top, context_entry *entry,
 *                               void *arg)
 */
    .globl  thrum_context_port_flow
    .hidden thrum_context_port_flow
    .type   thrum_context_port_flow, @function
    .p2align 4
thrum_context_port_flow:
    .cfi_startproc
    endbr64
    leaq    -64(%rsi), %rax
    andq    $-16, %rax
    subq    $8, %rax                /* 7 words up to an aligned sp */
    movq    $0, 0(%rax)             /* r15 */
    movq    $0, 8(%rax)             /* r14 */
    movq    %rcx, 16(%rax)          /* r13 */
    movq    %rdx, 24(%rax)          /* r12 */
    movq    $0, 32(%rax)            /* rbx */
    movq    $0, 40(%rax)            /* rbp: ends chains of frame pointers */
    leaq    flow_start(%rip), %rdx
    movq    %rdx, 48(%rax)
    ret
    .cfi_endproc
    .size   thrum_context_port_flow, . - thrum_context_port_flow

/* void *thrum_context_port_loop(void *low, void *top) */
    .globl  thrum_context_port_loop
    .hidden thrum_context_port_loop
    .type   thrum_context_port_loop, @function
    .p2align 4
thrum_context_port_loop:
    .cfi_startproc
    endbr64
    movq    %rsi, %rax
    andq    $-16, %rax
    ret
    .cfi_endproc
    .size   thrum_context_port_loop, . - thrum_context_port_loop

/* No executable stack. Branch tracking: yes; shadow stack: no. */
    .section .note.GNU-stack, "", @progbits
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long   4, 16, 5                /* name, contents, NT_GNU_PROPERTY_TYPE_0 */
    .asciz  "GNU"
    .long   0xc0000002, 4           /* GNU_PROPERTY_X86_FEATURE_1_AND */
    .long   1, 0                    /* IBT; padding */
