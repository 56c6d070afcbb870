/*
 * frame.c - addresses on the stack, compared and walked.
 *
 * Owns:   the unwinder's one call.
 * Never:  concludes anything from a stack that is not the thread's own.
 */
#include "runtime/frame.h"

#include <pthread.h>
#include <stddef.h>
#include <unwind.h>

static bool
on_own_stack(uintptr_t address)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t bytes = 0;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return false;
    (void)pthread_attr_getstack(&attr, &low, &bytes);
    pthread_attr_destroy(&attr);
    return address - (uintptr_t)low < bytes;
}

/* ---- walking ------------------------------------------------------------ */

enum met { NOT_REACHED, MET, PASSED };

struct walk {
    const struct zk_frame *form;
    uintptr_t sp; /* of the frame inside the one that is visited */
    enum met what;
};

/* What the unwinder calls the CFA of a frame's context is its stack pointer. */
static _Unwind_Reason_Code
visit(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    uintptr_t sp = (uintptr_t)_Unwind_GetCFA(context);
    uintptr_t base = w->form->base;

    if (sp < w->sp)
        return _URC_NORMAL_STOP; /* another stack: a signal's, say */
    if (w->sp <= base && base < sp) {
        uintptr_t to = (uintptr_t)_Unwind_GetIP(context);

        w->what = to == (uintptr_t)w->form->return_address ? MET : PASSED;
        return _URC_NORMAL_STOP;
    }
    w->sp = sp;
    return _URC_NO_REASON;
}

static enum met
walk_to(const struct zk_frame *form)
{
    struct walk w = {.form = form, .what = NOT_REACHED};

    if (form->return_address != NULL)
        (void)_Unwind_Backtrace(visit, &w);
    return w.what;
}

void
zk__frame_try_walk(struct zk_frame *form)
{
    form->walkable = form->base != 0 && walk_to(form) == MET;
}

/* ---- concluding --------------------------------------------------------- */

bool
zk__frame_gone(const struct zk_frame *form, const struct zk_frame *now,
               uintptr_t caller)
{
    if (form->base == 0)
        return false;
    if (caller < form->base && !(form->walkable && walk_to(form) == PASSED))
        return false;
    if (caller == form->base && form->guard != NULL && now->guard != NULL &&
        form->return_address == now->return_address &&
        form->guard != now->guard)
        return false; /* G3 */
    return on_own_stack(form->base) && on_own_stack(caller);
}
