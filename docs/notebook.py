# %% [markdown]
# # A week of a site, asked as an analyst
#
# A notebook in plain text: editors that know `# %%` run it cell by cell, and `python docs/notebook.py` from the top. It needs
# `pip install clickhouse-connect` and a stats store that answers; with `make run` going, the demo's does.
# The password is read from the demo's file, or is `TAMGA_PASSWORD`.
# Another one: `TAMGA_STATS=host:port TAMGA_SITE=jetpay.kz python docs/notebook.py`. Jupyter opens it with `pip install jupytext`.

# %%
import datetime
import os
import pathlib

import clickhouse_connect

host, port = os.environ.get("TAMGA_STATS", "127.0.0.1:8124").rsplit(":", 1)
# Jupyter has no `__file__`, and works in the notebook's folder.
here = pathlib.Path(globals().get("__file__", "notebook.py")).resolve()
repository = next(folder for folder in here.parents if (folder / "schema" / "queries").is_dir())
demo_password = repository / "data/demo/engine/analyst.password"
client = clickhouse_connect.get_client(
    host=host,
    port=int(port),
    username=os.environ.get("TAMGA_USER", "analyst"),
    password=os.environ.get("TAMGA_PASSWORD") or demo_password.read_text(encoding="utf-8").strip(),
    database="tamga_stats",
)
questions = repository / "schema" / "queries"

# %% [markdown]
# Which site, and which days? The ledger says what is published: a window that is not in it is not empty but not there yet.

# %%
sites = client.query("SELECT site, min(day), max(day), count() FROM publications GROUP BY site ORDER BY site").result_rows
for name, first, last, windows in sites:
    print(f"{name}: {windows} windows from {first} to {last}")
site = os.environ.get("TAMGA_SITE") or sites[0][0]
today = datetime.date.today()
period = {"site": site, "from": today - datetime.timedelta(days=7), "to": today + datetime.timedelta(days=1)}


def ask(question, rows=10):
    """Asks a file of schema/queries, and prints its first line and the first rows of the answer."""
    sql = (questions / f"{question}.sql").read_text(encoding="utf-8")
    answer = client.query(sql, parameters=period)
    print(f"\n{sql.splitlines()[0][3:]}")
    table = [answer.column_names, *answer.result_rows[:rows]]
    # NULL is a number that is not published, such as the visitors of (other): not 0.
    cells = [["–" if value is None else str(value) for value in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)))
    return answer


# %% [markdown]
# ## First: can the numbers be trusted?
# `complete` is false where a node was left behind; `folded_percent` is how much of the views is in `(other)`, `cut_percent`
# how much was not counted because one visitor did it often, `sigma` the standard deviation of the noise of what each table counts first.

# %%
ask("data-quality")
ask("outcomes")

# %% [markdown]
# ## Then: what goes on
# `visitors` are sums of the mark of the day, so they may be added up over days; `sum(visitors)` of another table may not.

# %%
ask("traffic-by-day")
ask("bounce-rate")
ask("busy-hours", rows=24)
ask("top-pages")
ask("sections")
ask("read-time")
ask("next-pages")

# %% [markdown]
# ## Where people come from, and what they achieve

# %%
ask("entry-channels")
ask("landing-pages")
ask("conversion-by-source")
ask("conversion-by-campaign")
ask("funnel")
ask("experiment")

# %% [markdown]
# ## What the site must work on

# %%
ask("browsers")
ask("devices")
ask("errors")

# %% [markdown]
# ## A question that is not in the list
# Any SQL that reads. Here: how much of each day's views do the pages show that are large enough to be shown?
# Each number has noise, 0 on average; `sigma` in `publications` is its standard deviation.

# %%
own = client.query(
    """
    SELECT s.day AS day, s.views, shown, round(100 * shown / s.views, 1) AS percent
    FROM site AS s
    JOIN (SELECT window_start, sum(views) AS shown FROM pages WHERE site = {site:String} AND path != '(other)'
          AND carried_to = day GROUP BY window_start) AS p ON p.window_start = s.window_start
    WHERE s.site = {site:String}
    ORDER BY day
    """,
    parameters=period,
)
for row in own.result_rows:
    print(*row)
