"""A checkpoint's model card: what it is and what made it, without clock, host or path."""

import yaml

OWN = ("adapter", "chat", "examples", "final_loss", "overlong", "tokens", "updates")


def card(about: dict, manifest: dict) -> str:
    """Return a checkpoint's README.md.

    Args:
        about: study, arm (its parts by name; {} for an undistilled student), recipe (settings by
            name), data (digest of the shard), start (digest of the start's manifest, or "").
        manifest: the checkpoint's, for what training found.
    """
    front = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    base = manifest.get("adapter", {}).get("base")
    if base:
        front |= {"library_name": "peft", "base_model": base["id"]}
    arm = about["arm"]
    title = " / ".join(str(value) for value in arm.values()) or "undistilled student"
    lines = ["---", yaml.safe_dump(front, sort_keys=True).strip(), "---", "", f"# {title}", ""]
    lines += [
        f"A checkpoint of the study `{about['study']}`: made for research into how distillation of "
        "code reasoning scales, and for nothing else. It writes programs that nobody has looked "
        "at; run them isolated.",
        "",
    ]
    if base:
        at = f" at revision `{base['revision']}`" if base["revision"] else ""
        lines += [f"The folder holds adapters only; they belong to `{base['id']}`{at}.", ""]
    found = {name: manifest[name] for name in OWN if name in manifest}
    for heading, values in (
        ("Arm", arm),
        ("Data", {"shard": about["data"], "start": about["start"]}),
        ("Recipe", about["recipe"]),
        ("Training", found),
    ):
        lines += [f"## {heading}", "", *_table(values), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(values: dict) -> list[str]:
    rows = [f"| {name} | {_shown(value)} |" for name, value in values.items() if value != ""]
    return ["| | |", "| --- | --- |", *rows]


def _shown(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return "`" + text.replace("|", "\\|").replace("\n", "\\n") + "`"
