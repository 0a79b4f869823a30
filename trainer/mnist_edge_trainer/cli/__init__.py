"""What the commands of the workstation do, for the command line to call: a module each.

Results go to stdout, everything else to stderr.
"""

from __future__ import annotations
