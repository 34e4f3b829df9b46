"""Which of the flags' limits a file breaks that nobody can correct any more."""

from __future__ import annotations

from compiler.run.excess import excess
from compiler.run.session import Emitted, Session
from compiler.run.wishes import asked_limits
from compiler.solver.reach import FLAGS


def broken_limits(session: Session, emitted: Emitted) -> tuple[str, ...]:
    """One sentence for each: fine-tuning comes after the search, so that its file is measured, not searched again."""
    asked = asked_limits(session)
    broken = excess(session, emitted, asked)
    if broken is None:
        return ()
    return tuple(
        f"fine-tuning changed the file: it needs {over:.6g} more than {flag} {getattr(asked, name):.12g}"
        for name, flag in FLAGS.items()
        if (over := getattr(broken, name))
    )
