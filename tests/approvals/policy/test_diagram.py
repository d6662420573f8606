"""What README draws of states and requirements is what the code does."""

from pathlib import Path

from approvals.policy.diagram import diagram

ROOT = Path(__file__).resolve().parents[3]
BEGIN, END = "<!-- manage.py draw_policies -->", "<!-- end -->"


def test_readme_draws_the_states_and_requirements_that_there_are() -> None:
    _, _, after = (ROOT / "README.md").read_text().partition(BEGIN)
    drawn, found, _ = after.partition(END)
    assert found
    assert drawn.strip() == diagram().strip(), "Put there what manage.py draw_policies prints."
