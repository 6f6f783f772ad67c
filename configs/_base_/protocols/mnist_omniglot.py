# Omniglot is black on white and 105 x 105: inverted and resized to the size of MNIST, so that only
# strokes distinguish the two. The papers do not say what they did.
_base_ = "../datasets/mnist.py"
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="mmosr.OpenSetTestData",
        known=_base_.test_dataloader.dataset,
        unknown=dict(
            type="mmosr.UnknownImages",
            data_root="data/omniglot",
            with_label=False,
            pipeline=[
                dict(type="LoadImageFromFile", color_type="grayscale"),
                dict(type="Invert", prob=1.0),
                dict(type="Resize", scale=(28, 28), backend="pillow"),
                *_base_.test_pipeline,
            ],
        ),
        ratio=1.0,
    )
)
