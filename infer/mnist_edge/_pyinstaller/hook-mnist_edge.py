"""Takes along the models, the weights of the preprocessing, and what is imported by name.

Not the metadata: its entry points name the trainer, which is not taken along.
"""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

datas = collect_data_files("mnist_edge", excludes=["**/*.py", "**/__pycache__"])
hiddenimports = collect_submodules("mnist_edge", filter=lambda name: "_pyinstaller" not in name)
