"""What the image configs must contain: methods, schedules and optimisers of the papers."""

POST_HOC = ("msp", "max_logit", "entropy", "energy")
# Type of the head and scores of each method.
METHODS = {
    "softmax": ("LinearClsHead", POST_HOC),
    "nsce": ("OpenSetClsHead", ("msp", "max_cosine", "energy")),
    "doc": ("OpenSetClsHead", ("doc", "one_vs_rest")),
    "center": ("CACClsHead", ("cac",)),
    "cac": ("CACClsHead", ("cac",)),
    "movr": ("MOvRClsHead", ("movr", "max_cosine")),
    "lgmm": ("LGMMClsHead", ("likelihood_ratio", "centred_energy", "likelihood")),
    "rpl": ("RPLClsHead", ("rpl", "msp")),
    "cpn": ("CPNClsHead", ("cpn", "msp")),
    "proser": ("PROSERClsHead", ("proser", "proser_margin", "msp")),
    "m2iosr": ("LinearClsHead", POST_HOC),
}
MOVR_TABLE_1 = "softmax nsce doc rpl cpn movr"  # its other row, PROSER, is of the OSRCI network
EXPECTED = {
    "osrcinet_cifar10-6-4": f"{MOVR_TABLE_1} center cac lgmm proser",
    "osrcinet_cifar10-6-4_175e": "softmax cac",
    "osrcinet_cifar10-6-4_100k": "movr",
    "wrn16-4_cifar10-6-4": MOVR_TABLE_1,
    "wrn16-4_cifar10-6-4_100k": "movr",
    "wrn16-4_cifar10": MOVR_TABLE_1,
    "vgg13_cifar10-6-4": "softmax m2iosr",
    **{
        f"vgg13_cifar10-{data}_short": "softmax cac movr lgmm m2iosr rpl cpn proser"
        for data in ("6-4", "4-2")
    },
    "vgg13_cifar10": "softmax movr m2iosr",
    "resnet18_cifar10": "softmax cac movr lgmm",
    "resnet18_cifar10-6-4_strong": "softmax movr",
    "resnet34_cifar10-6-4": "softmax lgmm",
    **{f"resnet{n}_{data}": "softmax lgmm" for n in (50, 101) for data in ("cifar10", "cifar100")},
    **{
        f"{network}_imagenet1k": "softmax lgmm"
        for network in ("resnet50", "resnet101", "swin-s", "swin-b")
    },
}
NAMES = [f"{method}_{rest}.py" for rest, methods in EXPECTED.items() for method in methods.split()]
CLASSES = {"cifar10-6-4": 6, "cifar10-4-2": 4, "cifar10": 10, "cifar100": 100, "imagenet1k": 1000}
# Rate, weight decay, iterations, validation interval, and where the rate drops or where its decay
# starts and ends.
WEAK = (0.1, 1e-3, 20000, 2000, [0, 20000])
LONG = (0.1, 1e-3, 100000, 10000, [0, 100000])
SHORT = (0.05, 1e-3, 600, 600, [100, 600])
STEP_10 = (0.1, 1e-4, 78200, 3910, [39100, 58650])
STEP_100 = (0.1, 5e-4, 78200, 3910, [23460, 46920, 62560])
IMAGENET_RESNET = (0.1, 1e-4, 500500, 25025, [150150, 300300, 450450])
IMAGENET_SWIN = (1e-3, 0.05, 375600, 12520, [25040, 375600])
SCHEDULES = {
    "osrcinet_cifar10-6-4": WEAK,
    "osrcinet_cifar10-6-4_100k": LONG,
    "osrcinet_cifar10-6-4_175e": (0.01, 5e-6, 32900, 4700, [28200]),
    "wrn16-4_cifar10-6-4": WEAK,
    "wrn16-4_cifar10-6-4_100k": LONG,
    "wrn16-4_cifar10": WEAK,
    "vgg13_cifar10-6-4": WEAK,
    "vgg13_cifar10-6-4_short": SHORT,
    "vgg13_cifar10-4-2_short": SHORT,
    "vgg13_cifar10": WEAK,
    "resnet18_cifar10": (0.06, 1e-3, 78200, 3910, [0, 78200]),
    "resnet18_cifar10-6-4_strong": (0.06, 1e-3, 47000, 4700, [0, 47000]),
    "resnet34_cifar10-6-4": (0.1, 1e-4, 47000, 4700, [23500, 35250]),
    **{f"resnet{n}_cifar10": STEP_10 for n in (50, 101)},
    **{f"resnet{n}_cifar100": STEP_100 for n in (50, 101)},
    **{f"resnet{n}_imagenet1k": IMAGENET_RESNET for n in (50, 101)},
    **{f"swin-{size}_imagenet1k": IMAGENET_SWIN for size in "sb"},
}
OF_M2IOSR = (0.05, 5e-4)  # rate and weight decay


def parts(name):
    """Method, network, data, and what distinguishes the schedule."""
    method, network, data, *kind = name.removesuffix(".py").split("_")
    return method, network, data, kind[0] if kind else ""


def schedule(name):
    """The item of ``SCHEDULES`` of a config."""
    method, rest = name.removesuffix(".py").split("_", 1)
    own = method == "m2iosr" and not rest.endswith("_short")
    return (*OF_M2IOSR, *SCHEDULES[rest][2:]) if own else SCHEDULES[rest]
