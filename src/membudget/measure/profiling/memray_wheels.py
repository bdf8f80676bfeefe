"""The wheels of memray that membudget may fetch, each with its SHA-256: one version, for each CPython and C library.

`make pins` renews the table. membudget ships none of them. memray has the Apache licence 2.0.
"""

from dataclasses import dataclass

from membudget.measure.profiling.interpreter import Interpreter, Libc

PROJECT = "memray"
MEMRAY_VERSION = "1.20.0"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of the package index."""

    file: str
    size_bytes: int
    sha256: str

    def fits(self, interpreter: Interpreter, architecture: str) -> bool:
        """Return whether it is for this interpreter on this architecture, as wheels name it ("x86_64")."""
        _, _, python, abi, platform = self.file.removesuffix(".whl").split("-")
        libc = "musllinux" if interpreter.libc is Libc.MUSL else "manylinux"
        tag = f"cp3{interpreter.minor}"
        return (python, abi) == (tag, tag) and platform.startswith(libc) and platform.endswith(architecture)


WHEELS = (
    # made by tools/pins.py
    Wheel(
        "memray-1.20.0-cp39-cp39-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        9916291,
        "8001648aeabd15235337b907a61bc8f26483633057dc987199f50a8977a72d7e",
    ),
    Wheel(
        "memray-1.20.0-cp39-cp39-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9374175,
        "0f2b2e3640bcff1d2e20f431fb93d17ac03236b28d53087d5e16c87139b4865e",
    ),
    Wheel(
        "memray-1.20.0-cp39-cp39-musllinux_1_2_x86_64.whl",
        12227074,
        "9b33c58a7bb6b04d9767249924c0d342a9c33ec3526aeb52f95a0185b0f30aca",
    ),
    Wheel(
        "memray-1.20.0-cp310-cp310-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        9921428,
        "e430f8f8533d17bbf45ad0e0c2f16c0e0b767729234771b06745670b61ea5f26",
    ),
    Wheel(
        "memray-1.20.0-cp310-cp310-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9376862,
        "9c80ecc9259acd888647a385a2f429f453f7ba5c0b1af363babd1ad8a1210da6",
    ),
    Wheel(
        "memray-1.20.0-cp310-cp310-musllinux_1_2_x86_64.whl",
        12227745,
        "b41289728ec76b48e83a1af9e1e45e997c4e4b692bfbdeb07cfd814bccb24c40",
    ),
    Wheel(
        "memray-1.20.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        9952402,
        "53231e49d55b10ac10ac8739a2592230f0794320892756f957e0026f99f38618",
    ),
    Wheel(
        "memray-1.20.0-cp311-cp311-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9439556,
        "0601310f1be3fd5012d888fa73354c204d7eb85cd42a89bd91160d3b8a1ada9e",
    ),
    Wheel(
        "memray-1.20.0-cp311-cp311-musllinux_1_2_x86_64.whl",
        12287959,
        "4d55e9627b6d6a868aa45995a965f3396c56ac7df5bc567b5293068412049557",
    ),
    Wheel(
        "memray-1.20.0-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        10141659,
        "57981abd8c526d4375c7f640a9d27d5e319b888e79b51688a8fae2f947fe8294",
    ),
    Wheel(
        "memray-1.20.0-cp312-cp312-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9555506,
        "2a6d63a3df7eb96809b82cbd9445033ec1d51574be0f9b3eddf4d64632af7162",
    ),
    Wheel(
        "memray-1.20.0-cp312-cp312-musllinux_1_2_x86_64.whl",
        12438571,
        "b40bf09977f84afe815cca1f34f8a29040a9e757b55467d513ecb9262e6bd809",
    ),
    Wheel(
        "memray-1.20.0-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        10129435,
        "d2f3f681ce8acd713a7216d6c362387e70122527e741685e82f85cfdf6aedf0b",
    ),
    Wheel(
        "memray-1.20.0-cp313-cp313-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9554666,
        "97539fd71c565c55e208df9ea28ac158cd156b8c33564853685688595c5a991b",
    ),
    Wheel(
        "memray-1.20.0-cp313-cp313-musllinux_1_2_x86_64.whl",
        12431537,
        "0c18705b70d20161616d3fc9d0b0c7796211b3ab16499dfb29c8f3ab7ece46c2",
    ),
    Wheel(
        "memray-1.20.0-cp314-cp314-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        10112228,
        "37bc107afee942f162d30160dfd7f28c2b989251c574570f2f920f5bbbb323e4",
    ),
    Wheel(
        "memray-1.20.0-cp314-cp314-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9550151,
        "83cfa504ed4e1061b85af4b3c40228616a852851ebf5968ff1c3d85e363f8d24",
    ),
    Wheel(
        "memray-1.20.0-cp314-cp314-musllinux_1_2_x86_64.whl",
        12425490,
        "2f51218744259983ad0ca66366ca2ff80158513132ca9bd835b1874a453199dd",
    ),
    Wheel(
        "memray-1.20.0-cp315-cp315-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        10114282,
        "b71fe846cbabce7f33017ac94ba2f157b39e22dbc4f723aad0407dd38520f855",
    ),
    Wheel(
        "memray-1.20.0-cp315-cp315-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl",
        9553111,
        "ab77856a592b04586ffb4a87e26d4de440ee3aba6facbaeabdb20855950fdebc",
    ),
    Wheel(
        "memray-1.20.0-cp315-cp315-musllinux_1_2_x86_64.whl",
        12429015,
        "25e4a802488d54030c30a6bdb969fd79f701228db35e6a834eac75259c69018b",
    ),
    # end
)
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


def wheel_for(interpreter: Interpreter, platform: str) -> Wheel | None:
    """Return the wheel for an interpreter on a platform as engines name it ("linux/amd64"). None if there is none."""
    architecture = _ARCHITECTURES.get(platform.removeprefix("linux/").partition("/")[0])
    if architecture is None:
        return None
    return next((wheel for wheel in WHEELS if wheel.fits(interpreter, architecture)), None)
