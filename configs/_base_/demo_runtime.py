# For a small network on a CPU and a few hundred iterations.
_base_ = "./default_runtime.py"
default_hooks = dict(
    checkpoint=dict(interval=200),
    channels_last=dict(type="mmosr.ChannelsLastHook"),
)
