# How mmosr/weights/softmax_deeplabv3plus_demo.safetensors was made.
_base_ = ["./softmax_deeplabv3plus_demo.py", "./_base_/schedules/demo_long.py"]
globals().update(_base_.pop("schedule"))
