"""A build setting that the command line can change: --//tools:NAME=VALUE."""

_Value = provider(fields = ["value"])

def _choice(ctx):
    value = ctx.build_setting_value
    if value not in ctx.attr.values:
        fail("{} is one of {}, not {}".format(ctx.label, ", ".join(ctx.attr.values), value))
    return _Value(value = value)

choice = rule(
    implementation = _choice,
    attrs = {"values": attr.string_list(mandatory = True)},
    build_setting = config.string(flag = True),
)
