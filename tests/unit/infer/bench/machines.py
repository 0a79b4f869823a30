"""Files that Linux keeps about a machine, as two kinds of machine have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["RASPBERRY_PI", "X86", "write_tree"]

CPU = "sys/devices/system/cpu"
RASPBERRY_PI = {
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n"
    "Features\t: fp asimd evtstrm crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"
    "CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nprocessor\t: 1\n"
    "Features\t: fp asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\n"
    "Revision\t: c04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/meminfo": "MemTotal:        8257696 kB\nMemFree:         100 kB\n",
    "proc/loadavg": "0.08 0.03 0.01 1/200 1234\n",
    "proc/stat": "cpu  100 0 50 800 5 0 5 0 0 0\ncpu0 50 0 25 400 2 0 2 0 0 0\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "ondemand\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "ondemand\n",
    f"{CPU}/cpu1/cpufreq/scaling_cur_freq": "1500000\n",
    f"{CPU}/cpufreq/boost": "0\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "51250\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
}
X86 = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some Processor @ 3.0GHz\n"
    "flags\t\t: fpu sse2 avx avx2 fma avx512f avx512_vnni avx_vnni\n",
    "proc/meminfo": "MemTotal:       16000000 kB\n",
    "proc/loadavg": "3.50 1.00 0.50 1/200 1234\n",
    "proc/stat": "cpu  1000 0 500 8000 50 0 50 400 0 0\n",
    "proc/self/cgroup": "0::/docker/abc\n",
    "sys/fs/cgroup/docker/abc/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/docker/abc/memory.max": "536870912\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "3000000\n",
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "3\n",
    f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "4\n",
    "sys/class/hwmon/hwmon0/name": "coretemp\n",
    "sys/class/hwmon/hwmon0/temp1_input": "45000\n",
    "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    "sys/class/hwmon/hwmon0/temp2_input": "44000\n",
}


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """Writes files, by their names below `root`, and returns `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root
