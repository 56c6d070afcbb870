"""The groups by name, in the order in which they run."""

from growth import growth, memory
from kernels import kernels
from memory import arena, heap, pages, proof, stark
from scheduling import barrier, idle, loops, tasks

GROUPS = {"arena": arena, "pages": pages, "heap": heap, "proof": proof, "tasks": tasks,
          "loops": loops, "barrier": barrier, "idle": idle, "kernels": kernels,
          "growth": growth, "memory": memory, "stark": stark}

# What three rounds take on two cores, one in a quick run, in seconds and about: by
# these the groups of a whole run share its time.
SECONDS = {
    "full": {"arena": 100, "pages": 80, "heap": 250, "proof": 620,
             "tasks": 145, "loops": 60, "barrier": 90, "idle": 70,
             "kernels": 105, "growth": 75, "memory": 105, "stark": 290},
    "quick": {"arena": 20, "pages": 15, "heap": 35, "proof": 45, "tasks": 20,
              "loops": 12, "barrier": 12, "idle": 12, "kernels": 12,
              "growth": 10, "memory": 20, "stark": 25}}
