"""Whatever the file holds: settings or a BadConfig, nothing else."""

import contextlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.config.load import parse_config
from dispatcher.config.problems import walk_tables
from dispatcher.config.shape import FileShape
from dispatcher.config.toml import render_toml
from dispatcher.core.errors import BadConfig

KNOWN = sorted(
    {name for _keys, model in walk_tables(FileShape) for name in model.model_fields} | {"shop", "a b", "<id>"}
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(width=16)
    | st.text(max_size=8)
    | st.sampled_from(KNOWN)
)
VALUES = st.recursive(
    PLAIN.filter(lambda value: value is not None),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KNOWN), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=6))
def test_any_tables(tables):
    text = render_toml(tables).replace("NaN", "nan").replace("Infinity", "inf")
    with contextlib.suppress(BadConfig):
        parse_config(text, Path("config.toml"), {"DISPATCHER_STATE_DIR": "state"})


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="ab.[]=\"'\\\n#{},1-:Z é\x00", max_size=60))
def test_any_text(text):
    with contextlib.suppress(BadConfig):
        parse_config(text, Path("config.toml"), {"DISPATCHER_STATE_DIR": "state"})
