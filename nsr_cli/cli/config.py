"""`nsr config show`: every setting, its value, and which file, variable or default it comes from."""

import typer

from nsr_cli.cli.commands import console_of
from nsr_cli.options import config
from nsr_cli.options.common import JsonLines
from nsr_cli.options.settings import SETTINGS
from nsr_cli.terminal.texts import aligned

app = typer.Typer(add_completion=False)


@app.callback()
def _group() -> None:
    """Show the settings and where each comes from.

    \b
    Example:
      nsr config show

    A flag beats NSR_* in the environment, which beats nsr.toml in the working folder, which beats the
    user's config.toml; --no-strip, --no-tta and the like turn off what one of these has turned on. In a
    file a table such as [upscale] or [weights] is for that command alone; cache, data and data-mirror come
    from the environment only.
    """


@app.command()
def show(ctx: typer.Context, json: JsonLines = False) -> None:
    """List every setting with its value and where that comes from.

    \b
    Examples:
      nsr config show
      NSR_DEVICE=cpu nsr config show --json
    """
    console = console_of(ctx, json)
    files = config.read_files()
    if not console.json:
        for path in (config.PROJECT_FILE, config.user_file()):
            there = any(str(file.path) == str(path) for file in files)
            console.note(
                f"settings file: {path or 'none, since there is no home folder'}{'' if there else ' (absent)'}"
            )
        for line in aligned(_rows(files)):
            console.data(line)
        return
    for name, value, source in _rows(files):
        console.json_line({"setting": name, "value": value, "source": source})


def _rows(files: tuple[config.ConfigFile, ...]) -> list[tuple[str, str, str]]:
    """A row for each setting, and one more for each command for which a file's table has another value."""
    rows = []
    for setting in SETTINGS:
        shared = config.resolve(setting, files, None)
        rows.append((setting.name, *shared))
        for table in setting.tables:
            own = config.resolve(setting, files, table)
            if own != shared:
                rows.append((f"{table}.{setting.name}", *own))
    return rows
