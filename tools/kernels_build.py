"""Behind `tools/build_kernels`: compiles the kernels into fat binaries, kept by content."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kernels import build


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="tools/build_kernels", description=__doc__)
    parser.add_argument("--arch", action="append", metavar="sm_NN", help="only this architecture; "
                        f"known are {', '.join(build.ARCHITECTURES)}")
    parser.add_argument("--kernel", action="append", choices=build.KERNELS, help="only this one")
    parser.add_argument("--resources", action="store_true",
                        help="also tell registers, stack, spills and shared memory")
    arguments = parser.parse_args(argv)
    architectures = tuple(arguments.arch or build.ARCHITECTURES)
    unknown = [a for a in architectures if a not in build.ARCHITECTURES]
    if unknown:
        print(f"tools/build_kernels: unknown architecture {', '.join(unknown)}; known are "
              f"{', '.join(build.ARCHITECTURES)}", file=sys.stderr)
        return 1
    try:
        for name in arguments.kernel or build.KERNELS:
            print(f"{name}: {build.fat_binary(name, architectures)}")
            for architecture in architectures if arguments.resources else ():
                told = "  ".join(f"{key} {value}" for key, value
                                 in build.resources(name, architecture).items())
                print(f"  {architecture:8} {told}")
    except build.BuildError as error:
        print(f"tools/build_kernels: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
