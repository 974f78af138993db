"""What each fault cost: one row for each judgement of a rig, and the table of them."""

from dataclasses import dataclass


@dataclass
class Figures:
    """One row of the table that is printed at the end."""

    fault: str
    sent: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicates: int = 0
    shortest_gap_ms: float = None   # of the paced lanes where requests arrive, less the lane's delay
    sender_gap_ms: float = None     # the same where they leave
    recovery_s: float = None
    note: str = ""


def least(*values):
    """The smallest of VALUES that is not None, or None."""
    return min((v for v in values if v is not None), default=None)


FIGURES = []    # of all rigs that were judged, in order


def merged() -> list:
    """FIGURES with one row for each fault: sums, the shortest gap and the longest recovery."""
    rows = {}
    for f in FIGURES:
        row = rows.setdefault(f.fault, Figures(f.fault, note=0))
        for name in ("sent", "acknowledged", "lost", "duplicates"):
            setattr(row, name, getattr(row, name) + getattr(f, name))
        row.shortest_gap_ms = least(row.shortest_gap_ms, f.shortest_gap_ms)
        row.sender_gap_ms = least(row.sender_gap_ms, f.sender_gap_ms)
        row.recovery_s = max((x.recovery_s for x in (row, f) if x.recovery_s is not None), default=None)
        row.note += 1
    for row in rows.values():
        row.note = f"{row.note} times"
    return list(rows.values())


def table(figures) -> str:
    """FIGURES as text."""
    head = ("fault", "sent", "acked", "lost", "dup", "gap-delay ms", "at the sender", "recovery s", "")
    rows = [head]
    for f in figures:
        rows.append((f.fault, f.sent, f.acknowledged, f.lost, f.duplicates,
                     *("-" if gap is None else f"{gap:+.2f}" for gap in (f.shortest_gap_ms, f.sender_gap_ms)),
                     "-" if f.recovery_s is None else f"{f.recovery_s:.2f}", f.note))
    widths = [max(len(str(r[n])) for r in rows) for n in range(len(head))]
    return "\n".join("  ".join(str(c).ljust(w) if n in (0, len(head) - 1) else str(c).rjust(w)
                               for n, (c, w) in enumerate(zip(r, widths))).rstrip() for r in rows)
