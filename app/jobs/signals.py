"""What a worker has its job's process see at once: shared memory, read each batch."""

from ctypes import Structure, c_byte

GO_ON = 0
SAVE_AND_END = 1  # write a checkpoint, say so, end
END = 2  # nothing is wanted any more


class Signals(Structure):
    """Written by the worker; `mail` is taken back by the process."""

    _fields_ = (("stop", c_byte), ("mail", c_byte))  # mail: not 0 where a message lies in the pipe
