"""thrum.py - looking at sleeping tasks with gdb.

    (gdb) source tools/gdb/thrum.py
    (gdb) thrum-bt CONTEXT [COUNT]

thrum-bt prints the stack of the flow saved in the struct context at the
address (or expression) CONTEXT. It lends the selected thread the registers of
that flow for the time of one backtrace and gives them back, so it needs a
process, not a core file, and the thread must not be inside a system call that
is to be restarted.

    (gdb) thrum-here

where a replayed history has stopped (//tools/replay --gdb): the stack of the
task that has its turn next.
"""

import gdb

# A saved flow, from its sp upwards: the tables at the top of
# runtime/plat/context_x86_64.S and context_aarch64.S.
SAVED = {
    "i386:x86-64": ("rsp", ["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"], 7),
    "aarch64": ("sp", ["x29", "pc"] + ["x%d" % n for n in range(19, 29)], 20),
}


def read_word(address):
    word = gdb.lookup_type("unsigned long").pointer()
    return int(gdb.Value(address).cast(word).dereference())


def set_register(name, value):
    gdb.execute("set $%s = %d" % (name, value), to_string=True)


def saved_registers(context):
    """The registers with which the flow in *context goes on."""
    machine = gdb.selected_frame().architecture().name()
    if machine not in SAVED:
        raise gdb.GdbError("thrum-bt does not know the machine " + machine)
    stack_pointer, names, words = SAVED[machine]
    sp = read_word(context)
    registers = {name: read_word(sp + 8 * at) for at, name in enumerate(names)}
    registers[stack_pointer] = sp + 8 * words
    return registers


class Backtrace(gdb.Command):
    """thrum-bt CONTEXT [COUNT]: the stack of the flow saved at CONTEXT."""

    def __init__(self):
        super().__init__("thrum-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        arguments = gdb.string_to_argv(argument)
        if not 1 <= len(arguments) <= 2:
            raise gdb.GdbError("usage: thrum-bt CONTEXT [COUNT]")
        context = int(gdb.parse_and_eval(arguments[0]))
        chosen = gdb.selected_frame()
        gdb.newest_frame().select()
        lent = saved_registers(context)
        own = {name: int(gdb.parse_and_eval("(unsigned long)$" + name)) for name in lent}
        try:
            for name, value in lent.items():
                set_register(name, value)
            gdb.execute("backtrace " + " ".join(arguments[1:]))
        finally:
            for name, value in own.items():
                set_register(name, value)
            gdb.newest_frame().select()
            if chosen.is_valid():
                chosen.select()


# The third argument of a function, where it begins.
THIRD = {"i386:x86-64": "$rdx", "aarch64": "$x2"}


class Here(gdb.Command):
    """thrum-here: stopped in thrum_replay_break, whose turn is it, and where is it?"""

    def __init__(self):
        super().__init__("thrum-here", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if not gdb.selected_inferior().threads():
            raise gdb.GdbError("the program has ended, and has not come there")
        frame = gdb.newest_frame()
        if frame.name() != "thrum_replay_break":
            raise gdb.GdbError("the program has not stopped at a turn of a history")
        context = int(gdb.parse_and_eval("(unsigned long)" + THIRD[frame.architecture().name()]))
        gdb.execute("thrum-bt %d" % context if context else "backtrace")


Backtrace()
Here()
