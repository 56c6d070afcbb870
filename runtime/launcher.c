/*
 * launcher.c - local ranks from the environment.
 *
 * Owns:   reading Open MPI's, MPICH's (and those built on it) and Slurm's words.
 * Never:  complains: a variable that says nothing useful says nothing.
 */
#include "runtime/launcher.h"

#include <stdbool.h>
#include <stdlib.h>

#define PROCESSES_MAX 65536ul

/* A number at the front of the text; what follows it. */
static bool
take_number(const char **text, unsigned long *n)
{
    char *end;

    if (*text == NULL || **text < '0' || **text > '9')
        return false;
    *n = strtoul(*text, &end, 10);
    *text = end;
    return *n <= PROCESSES_MAX;
}

static bool
read_number(const char *name, unsigned long *n)
{
    const char *text = getenv(name);

    return take_number(&text, n) && *text == '\0';
}

/*
 * Slurm lists the tasks of all nodes of a step, as in "4(x2),3": this node's
 * stand where its number says.
 */
static bool
read_slurm_size(unsigned long *size)
{
    const char *text = getenv("SLURM_STEP_TASKS_PER_NODE");
    unsigned long node = 0;

    if (getenv("SLURM_NODEID") != NULL && !read_number("SLURM_NODEID", &node))
        return false;
    while (take_number(&text, size)) {
        unsigned long nodes = 1;

        if (text[0] == '(' && text[1] == 'x') {
            text += 2;
            if (!take_number(&text, &nodes) || *text++ != ')')
                return false;
        }
        if (node < nodes)
            return true;
        node -= nodes;
        if (*text++ != ',')
            return false;
    }
    return false;
}

struct zk_share
zk__launcher_share(void)
{
    static const struct {
        const char *rank, *size;
    } launchers[] = {
        {"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
        {"MPI_LOCALRANKID", "MPI_LOCALNRANKS"}, /* Hydra: MPICH, Intel MPI */
        {"MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"},
        {"PALS_LOCAL_RANKID", "PALS_LOCAL_SIZE"},
    };
    unsigned long rank, size;

    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (read_number(launchers[i].rank, &rank) &&
            read_number(launchers[i].size, &size) && rank < size)
            return (struct zk_share){(unsigned)rank, (unsigned)size};
    if (read_number("SLURM_LOCALID", &rank) && read_slurm_size(&size) &&
        rank < size)
        return (struct zk_share){(unsigned)rank, (unsigned)size};
    return (struct zk_share){0, 1};
}
