"""The exported C on emulated boards: `python -m tests.emulation.boards [MODEL...]`.

Needs Debian's qemu-system-arm, gcc-arm-none-eabi and libnewlib-arm-none-eabi. Each board runs the
100 test vectors. Instructions are counted; times are arithmetic from them, never the emulator's.
Flash and stack are the network's own, without the C library that prints.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mnist_edge.bundled import read_model
from mnist_edge_trainer.c_export.c_gate import CGate
from mnist_edge_trainer.c_export.export_c import export_c
from mnist_edge_trainer.data.splits import load_digits

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "samples"
MODELS = ("mnist-edge-pico-int8", "mnist-edge-nano-int8", "mnist-edge-int8")
GCC = "arm-none-eabi-gcc"
QEMU = "qemu-system-arm"
RISCV = "riscv64-unknown-elf-gcc"


@dataclass(frozen=True)
class Board:
    """An emulated board.

    Attributes:
        core: as gcc calls it.
        machine: as QEMU calls it.
        flash, ram: bytes.
        counter: a machine with SysTick at 25 MHz that runs the same instructions.
    """

    core: str
    machine: str
    flash: int
    ram: int
    counter: str


BOARDS = (
    Board("cortex-m0", "microbit", 256 << 10, 16 << 10, "mps2-an385"),
    Board("cortex-m3", "mps2-an385", 4 << 20, 4 << 20, "mps2-an385"),
    Board("cortex-m4", "mps2-an386", 4 << 20, 4 << 20, "mps2-an386"),
    Board("cortex-m7", "mps2-an500", 4 << 20, 4 << 20, "mps2-an500"),
)


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in (GCC, QEMU) if not shutil.which(name)]


def exported(model: str, folder: Path) -> CGate | None:
    """Writes the C of a model, through its gate."""
    return export_c(read_model(model), model, load_digits(SAMPLES, "test"), folder)


def build(sources: Path, board: Board, main: Path, elf: Path) -> None:
    """Compiles a program for a board."""
    subprocess.run(
        [
            *(GCC, f"-mcpu={board.core}", "-mthumb", "-O2", "-std=c99", "-Wall", "-Werror"),
            *("-ffunction-sections", "-fdata-sections", f"-I{sources}", "--specs=rdimon.specs"),
            *("-nostartfiles", "-Wl,--gc-sections", f"-T{HERE / 'board.ld'}"),
            *(f"-Wl,--defsym=FLASH={board.flash}", f"-Wl,--defsym=RAM={board.ram}"),
            *map(str, (HERE / "startup.c", sources / "mnist_edge.c", main)),
            *("-o", str(elf)),
        ],
        check=True,
        stderr=subprocess.PIPE,
    )


def run(machine: str, elf: Path, *options: str) -> str:
    """What a program prints on an emulated machine."""
    done = subprocess.run(
        [QEMU, "-M", machine, "-nographic", "-semihosting", *options, "-kernel", str(elf)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return done.stdout.strip() or done.stderr.strip()


def instructions(sources: Path, board: Board, folder: Path) -> int:
    """Instructions of a prediction."""
    elf = folder / f"{board.core}-measure.elf"
    counting = Board(board.core, board.counter, 4 << 20, 4 << 20, board.counter)
    build(sources, counting, HERE / "measure.c", elf)
    right, count = run(board.counter, elf, "-icount", "shift=0").split()
    assert right == "1"
    return int(count)


def sizes(sources: Path, compiler: str, flags: tuple[str, ...], folder: Path) -> tuple[int, int]:
    """Bytes of flash, and of stack at most, of the network alone."""
    target = folder / "network.o"
    options = ["-O2", "-std=c99", "-ffunction-sections", "-fstack-usage", "-ffreestanding", "-c"]
    source = str(sources / "mnist_edge.c")
    command = [compiler, *flags, *options, source, "-o", str(target)]
    subprocess.run(command, check=True, stderr=subprocess.PIPE)
    size = "riscv64-unknown-elf-size" if compiler == RISCV else "arm-none-eabi-size"
    shown = subprocess.run([size, str(target)], check=True, capture_output=True, text=True)
    text, data, _ = map(int, shown.stdout.splitlines()[1].split()[:3])
    # No function calls itself: all frames together are more than any chain of calls.
    frames = re.findall(r"\t(\d+)\t", target.with_suffix(".su").read_text())
    return text + data, sum(map(int, frames))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=MODELS)
    options = parser.parse_args()
    for model in options.models:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            gate = exported(model, folder / "c")
            header = (folder / "c" / "mnist_edge.h").read_text()
            ram = re.search(r"MNIST_EDGE_SCRATCH (\d+)", header)
            assert ram is not None
            print(f"{model}: RAM {ram[1]} bytes")
            if gate is not None:
                print(
                    f"  top-1 {gate.accuracy:.2%} of {gate.images:,} test images, "
                    f"{gate.changed} predicted differently from onnxruntime"
                )
            for board in BOARDS:
                elf = folder / f"{board.core}.elf"
                build(folder / "c", board, folder / "c" / "main.c", elf)
                flags = (f"-mcpu={board.core}", "-mthumb")
                flash, stack = sizes(folder / "c", GCC, flags, folder)
                count = instructions(folder / "c", board, folder)
                print(
                    f"  {board.core} ({board.machine}): {run(board.machine, elf)}; flash {flash}, "
                    f"stack {stack} bytes, {count:,} instructions"
                )
            if shutil.which(RISCV):
                flags = ("-march=rv32ec", "-mabi=ilp32e")
                flash, stack = sizes(folder / "c", RISCV, flags, folder)
                print(f"  rv32ec (compiled only): flash {flash}, stack {stack} bytes")


if __name__ == "__main__":
    main()
