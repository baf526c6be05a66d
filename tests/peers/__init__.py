"""Real servers and programs that voxome meets: each started by a fixture on the loopback interface, stopped by its id.

``make peers`` installs them. Where one is missing, its tests skip and say why; under CI they fail.
"""
