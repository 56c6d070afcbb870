"""The groups by name, in the order in which they run."""

from growth import growth, memory
from kernels import kernels
from memory import arena, heap, pages, proof, stark
from scheduling import barrier, idle, loops, tasks

GROUPS = {"arena": arena, "pages": pages, "heap": heap, "proof": proof, "tasks": tasks,
          "loops": loops, "barrier": barrier, "idle": idle, "kernels": kernels,
          "growth": growth, "memory": memory, "stark": stark}
