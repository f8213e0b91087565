"""docs/notebook.py in Jupyter, cell by cell, as a person runs it: in the folder of the notebook, on made-up published numbers."""

import os
import pathlib

import clickhouse_connect
import jupytext
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parent / "../.."
host, port = os.environ["ENGINE_HOST"], int(os.environ["ENGINE_PORT"])


def publish():
    """Numbers of 35 days. The tables are there."""
    client = clickhouse_connect.get_client(
        host=host, port=port, username="tamga", password=os.environ["ENGINE_PASSWORD"], database="tamga_stats"
    )
    # The clients before have left rows of their own, some with nothing in a column.
    client.command("TRUNCATE TABLE site")
    made_up = (ROOT / "tests/fixtures/stats/made_up.sql").read_text(encoding="utf-8")
    lines = [line for line in made_up.splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).replace("{days}", "35").replace("{sites}", "2").split(";\n"):
        client.command(statement.strip().rstrip(";"))


publish()
os.environ.update(TAMGA_STATS=f"{host}:{port}", TAMGA_USER="analyst", TAMGA_PASSWORD=os.environ["ANALYST_PASSWORD"], TAMGA_SITE="s1.kz")
notebook = jupytext.read(ROOT / "docs/notebook.py")
NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "docs")}}).execute()

said = ""
for cell in notebook.cells:
    if cell.cell_type == "code":
        # An error would have ended the run.
        said += "".join(output.get("text", "") for output in cell.outputs)
source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
questions = [line.split('"')[1] for line in source.splitlines() if line.startswith('ask("')]
for question in questions:
    title = (ROOT / f"schema/queries/{question}.sql").read_text(encoding="utf-8").splitlines()[0].removeprefix("-- ")
    _, answer = said.split(f"{title}\n", 1)
    assert len(answer.split("\n\n")[0].splitlines()) > 1, f"{question} has no rows"
assert len(questions) > 15 and "s1.kz: 35 windows" in said, said
print(f"Jupyter: the notebook has {len(notebook.cells)} cells, and {len(questions)} questions were answered")
