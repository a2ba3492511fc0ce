"""Loaders: files are found or named, gold stays out of what an arm sees, and each format's traps are handled."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.datasets import (
    beam,
    locomo,
    modality,
    peps,
    rfcs,
    statebench,
)
from evals.datasets.catalogue import inventory
from evals.datasets.chains import Chains, deal
from evals.datasets.files import locate, read_jsonl, utc
from evals.datasets.phrases import asserts, contains_phrase, says
from evals.model import DataMissing, Edge, EvalError, Sample, Turn
from evals.tasks import TASKS
from tests.conftest import DATA, turns


class TestFilesAreFoundOrNamed:
    def test_what_is_missing_is_named_with_the_place_to_get_it(self, tmp_path: Path) -> None:
        for missing in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(DataMissing, match=r"statebench.*https://.*MEMSTORE_DATA"):
                locate(missing, statebench.SOURCE)

    def test_a_data_directory_a_folder_and_the_file_itself_are_all_taken(self) -> None:
        by_directory = statebench.load(DATA, 3)
        assert statebench.load(DATA / "statebench", 3) == by_directory
        assert statebench.load(DATA / "statebench" / "dev.jsonl", 3) == by_directory

    def test_splits_are_not_mixed(self, tmp_path: Path) -> None:
        (tmp_path / "statebench").mkdir()
        for split in ("train", "dev", "test"):
            (tmp_path / "statebench" / f"{split}.jsonl").write_text("{}\n")
        assert [path.name for path in locate(tmp_path, statebench.SOURCE)] == ["dev.jsonl"]

    def test_a_line_that_is_not_json_is_named_by_number(self, tmp_path: Path) -> None:
        path = tmp_path / "broken.jsonl"
        path.write_text('{"a": 1}\n\n{"a": \n')
        with pytest.raises(EvalError, match="line 3: not JSON"):
            list(read_jsonl(path))

    def test_bytes_that_are_not_text_are_an_error_in_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "broken.jsonl"
        path.write_bytes(b'{"a": "\xff\xfe"}\n')
        with pytest.raises(EvalError, match="not UTF-8"):
            statebench.load(path)

    @pytest.mark.parametrize("load", [statebench.load, locomo.load, modality.load, peps.load, beam.tiers()])
    def test_a_file_of_another_format_is_refused_by_name(self, tmp_path: Path, load) -> None:
        path = tmp_path / "other.json"
        path.write_text('[{"some": "thing"}]')
        with pytest.raises(EvalError):
            load(path)


@pytest.fixture(scope="module")
def shipped() -> dict[str, list[Sample]]:
    found = {}
    for task in TASKS.values():
        try:
            found[task.name] = task.load(DATA, None)
        except DataMissing:
            continue
    return found


class TestShippedSamples:
    def test_five_tasks_run_on_what_ships(self, shipped: dict[str, list[Sample]]) -> None:
        assert {"url_shortener", "statebench", "beam", "peps", "modality"} <= set(shipped)

    def test_refs_are_unique_and_all_gold_points_at_items_that_exist(self, shipped: dict[str, list[Sample]]) -> None:
        for sample in (sample for samples in shipped.values() for sample in samples):
            known = turns(sample)
            assert len(known) == sum(isinstance(item, Turn) for item in sample.items)
            for item in sample.items:
                if isinstance(item, Edge):
                    assert {*item.old, *item.new} <= set(known)
            for probe in sample.probes:
                for name in ("evidence", "current", "stale", "live"):
                    assert set(probe.expect.get(name, ())) <= set(known), (probe.id, name)

    def test_ids_are_unique_within_a_task(self, shipped: dict[str, list[Sample]]) -> None:
        for name, samples in shipped.items():
            probes = [probe.id for sample in samples for probe in sample.probes]
            assert len(probes) == len(set(probes)), name
            assert len(samples) == len({sample.id for sample in samples}), name

    def test_every_question_is_asked_after_everything_was_said(self, shipped: dict[str, list[Sample]]) -> None:
        for sample in (sample for samples in shipped.values() for sample in samples):
            latest = max(item.at for item in sample.items)
            for probe in sample.probes:
                assert probe.query.now >= latest
                assert probe.query.as_of is None or probe.query.as_of < probe.query.now

    def test_no_item_carries_a_label_that_is_the_gold_of_a_probe(self, shipped: dict[str, list[Sample]]) -> None:
        for sample in shipped["modality"]:
            assert {turn.modality for turn in turns(sample).values()} == {None}

    def test_loading_twice_gives_the_same_samples(self, shipped: dict[str, list[Sample]]) -> None:
        for name in ("statebench", "peps", "modality"):
            assert TASKS[name].load(DATA, None) == shipped[name]

    def test_a_limit_takes_the_first_samples(self, shipped: dict[str, list[Sample]]) -> None:
        for name, samples in shipped.items():
            assert TASKS[name].load(DATA, 1) == samples[:1]

    def test_every_folder_is_attributed_and_small_and_none_is_forbidden(self) -> None:
        readme = (DATA / "README.md").read_text()
        for folder in (path for path in DATA.iterdir() if path.is_dir()):
            assert f"`{folder.name}/" in readme, f"{folder.name} is not attributed"
        assert not (DATA / "locomo").exists()
        sources = {row["source"] for row in read_jsonl(DATA / "modality" / "dev.jsonl")}
        assert not any(source.startswith("code_review") for source in sources)
        assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) <= 8_000_000

    def test_the_licence_texts_lie_beside_the_sets(self) -> None:
        for name in ("statebench/LICENSE", "beam/LICENSE", "modality/LICENSE.CC-BY-SA-4.0"):
            assert len((DATA / name).read_text()) > 1000
        assert "Apache License" in (DATA / "modality/LICENSE.Apache-2.0").read_text()


class TestStateBench:
    def test_the_withheld_variant_has_the_same_words_and_questions_and_no_declaration(self) -> None:
        declared, withheld = statebench.load(DATA), statebench.load(DATA, declared=False)
        assert any(isinstance(item, Edge) for sample in declared for item in sample.items)
        for one, other in zip(declared, withheld, strict=True):
            assert [t.text for t in turns(one).values()] == [t.text for t in turns(other).values()]
            assert [p.query for p in other.probes] == [replace(p.query, scope=None) for p in one.probes]
            for item in other.items:
                assert isinstance(item, Turn)
                assert (item.key, item.scope, item.modality) == (None, None, None)

    def test_what_is_declared_to_be_elsewhere_stands_behind_a_wall_that_the_question_does_not_cross(self) -> None:
        behind = {
            turn.text: turn.scope
            for sample in statebench.load(DATA)
            for turn in turns(sample).values()
            if turn.scope not in (None, statebench.OPEN)
        }
        assert behind
        assert all(text.startswith(("[SCOPE:", "[RESTRICTED:")) for text in behind)
        for sample in statebench.load(DATA):
            walled = any(turn.scope not in (None, statebench.OPEN) for turn in turns(sample).values())
            assert {p.query.scope for p in sample.probes} == {statebench.OPEN if walled else None}

    @pytest.mark.parametrize(
        ("role", "scope"),
        [("Sales Rep", "for CS leadership"), ("CS Leadership", statebench.OPEN), ("Leadership", "for CS leadership")],
    )
    def test_who_is_among_the_readers_stands_before_no_wall(self, role: str, scope: str) -> None:
        assert statebench.wall("[RESTRICTED: churn data restricted to CS leadership] They left.", role) == scope

    def test_a_declaration_supersedes_what_was_said_earlier_and_never_the_correction_that_cites_it(self) -> None:
        for sample in statebench.load(DATA):
            known = turns(sample)
            for edge in (item for item in sample.items if isinstance(item, Edge)):
                [old], [new] = edge.old, edge.new
                assert known[old].at <= edge.at
                # A correction that cites the old value stands at the moment of the declaration, a copy before it.
                assert known[old].key or known[old].at < known[new].at

    def test_items_come_in_order_of_time_even_where_the_file_lists_them_otherwise(self) -> None:
        for sample in statebench.load(DATA):
            times = [item.at for item in sample.items]
            assert times == sorted(times)

    def test_a_template_is_what_remains_without_names_and_numbers(self) -> None:
        one = statebench.template("What's our committed deadline for the Data Migration project?")
        assert one == statebench.template("What's our committed deadline for the Phoenix 2 project?")

    def test_forbidden_phrases_of_another_task_are_not_called_stale(self) -> None:
        for sample in statebench.load(DATA):
            if sample.extras["track"] not in statebench.REPLACES:
                assert not any("stale" in probe.expect for probe in sample.probes)


class TestPhrases:
    @pytest.mark.parametrize(
        ("text", "phrase", "said"),
        [
            ("We have 12 weeks.", "2 weeks", False),
            ("We have 2 weeks.", "2 weeks", True),
            ("Payment is $50k a year.", "$50k", True),
            ("We are not using Kafka.", "Kafka", False),
            ("We no longer use Kafka. Kafka it was.", "Kafka", True),
            ("There was no impact.", "no impact", True),
            ("Use Redis instead of Kafka.", "Kafka", False),
            ("[INVALIDATED] Original conclusion: ship on Friday", "Friday", False),
            ("The plan 'ship on Friday' was based on incorrect information.", "Friday", False),
            ("It is the sync\nissue.", "sync issue", True),
            ("root cause: cache", "database|cache", True),
        ],
    )
    def test_asserting_is_whole_words_outside_negation_and_retraction(self, text: str, phrase: str, said: bool) -> None:
        assert asserts(text, phrase) is said

    def test_saying_is_whole_words_only(self) -> None:
        assert says("We are not using Kafka.", "Kafka")
        assert not says("We have 12 weeks.", "2 weeks")

    @pytest.mark.parametrize(
        ("text", "phrase", "said"),
        [
            ("We have 12 weeks.", "2 weeks", True),  # the published rule is a substring search, and stays one here
            ("You can't do that.", "cannot do", True),
            ("Cost: $120,000", r"regex:\$\d+,000", True),
            ("yes", "no|never", False),
        ],
    )
    def test_the_published_rule_is_kept_as_it_is(self, text: str, phrase: str, said: bool) -> None:
        assert contains_phrase(text, phrase) is said


class TestBeam:
    def test_generator_tags_are_gone_and_time_only_moves_forward(self) -> None:
        for sample in beam.tiers("100K")(DATA, None):
            said = list(turns(sample).values())
            assert not [turn.ref for turn in said if re.search(r"->->\s*\d", turn.text)]
            assert all(one.at < other.at for one, other in pairwise(said))

    def test_an_update_is_the_evidence_and_the_original_is_stale(self) -> None:
        probes = [p for s in beam.tiers("100K")(DATA, None) for p in s.probes if p.category == "knowledge_update"]
        updates = [probe for probe in probes if "stale" in probe.expect]
        assert len(updates) >= 4
        for probe in updates:
            assert probe.expect["evidence"] == probe.expect["current"]
            assert max(map(int, probe.expect["stale"])) < max(map(int, probe.expect["current"]))

    def test_an_abstention_has_no_evidence(self) -> None:
        for sample in beam.tiers("100K")(DATA, 1):
            for probe in sample.probes:
                assert (probe.expect.get("answerable", True) is False) == (probe.category == "abstention")

    def test_a_tier_that_is_not_there_is_named(self) -> None:
        with pytest.raises(DataMissing, match="10M"):
            beam.tiers("10M")(DATA, None)

    def test_the_repository_layout_of_the_publisher_is_read_as_well(self, tmp_path: Path) -> None:
        chat = tmp_path / "chats" / "100K" / "2"
        (chat / "probing_questions").mkdir(parents=True)
        shutil.copy(DATA / "beam/100K/2/chat.json", chat / "chat.json")
        shutil.copy(DATA / "beam/100K/2/probing_questions.json", chat / "probing_questions" / "probing_questions.json")
        assert beam.tiers("100K")(tmp_path / "chats", None) == beam.tiers("100K")(DATA, 1)


class TestLocomo:
    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("D1:3", ["D1:3"]),
            ("D8:6; D9:17", ["D8:6", "D9:17"]),
            ("D:11:26", ["D11:26"]),
            ("D30:05", ["D30:5"]),
            ("D", []),
        ],
    )
    def test_mistyped_evidence_is_mended_or_dropped(self, text: str, ids: list[str]) -> None:
        assert locomo.evidence_ids(text) == ids

    def test_a_small_conversation_in_the_published_format(self, tmp_path: Path) -> None:
        conversation = {
            "speaker_a": "Ann",
            "speaker_b": "Bo",
            "session_2_date_time": "9:05 am on 2 June, 2023",
            "session_2": [{"speaker": "Bo", "dia_id": "D2:1", "text": "Look!", "blip_caption": "a red kite"}],
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [{"speaker": "Ann", "dia_id": "D1:1", "text": "I moved to Oslo."}],
            "session_3_date_time": "9:05 am on 2 July, 2023",
        }
        qa = [
            {"question": "Where did Ann move?", "answer": "Oslo", "evidence": ["D1:01"], "category": 4},
            {"question": "What did Ann sell?", "adversarial_answer": "x", "evidence": ["D1:1"], "category": 5},
            {"question": "Would Bo like wind?", "answer": "yes", "evidence": [], "category": 3},
            {"question": "When?", "answer": 2022, "evidence": ["D9:9"], "category": 2},
        ]
        path = tmp_path / "mine.json"
        path.write_text(json.dumps([{"sample_id": "c", "conversation": conversation, "qa": qa}]))
        [sample] = locomo.load(path)
        assert [turn.text for turn in turns(sample).values()] == [
            "Ann: I moved to Oslo.",
            "Bo: Look! [shares a photo of a red kite]",
        ]
        assert [probe.expect["evidence"] for probe in sample.probes] == [["D1:1"], ["D1:1"], [], []]
        assert [probe.category for probe in sample.probes] == ["single_hop", "adversarial", "open_domain", "temporal"]
        assert sample.probes[1].expect["answerable"] is False
        assert "adversarial_answer" not in sample.probes[1].expect

    def test_the_full_set_loads(self, shared_data: Path) -> None:
        samples = locomo.load(shared_data)
        without = [probe for sample in samples for probe in sample.probes if not probe.expect["evidence"]]
        assert sum(len(sample.probes) for sample in samples) == 1157
        assert len(without) == 2


class TestPeps:
    def test_the_metadata_proposals_lead_to_the_one_in_force(self) -> None:
        probes = {probe.id: probe for sample in peps.load(DATA) for probe in sample.probes}
        head = probes["pep-241/head"]
        assert head.expect["current"] == ["pep-0566"]
        assert head.expect["depth"] == 3
        assert "566" not in head.query.text

    def test_the_status_as_of_a_date_is_the_last_one_committed_by_then(self) -> None:
        rows = [r for r in read_jsonl(DATA / "peps/status_history.jsonl") if r["field"] == "Status" and r["value"]]
        checked = 0
        for sample in peps.load(DATA):
            for probe in sample.probes:
                if probe.category == "as_of":
                    pep = int(probe.id.split("/")[0].removeprefix("pep-"))
                    known = [
                        (utc(r["committed"]), r["value"])
                        for r in rows
                        if r["pep"] == pep and utc(r["committed"]) <= probe.query.as_of
                    ]
                    assert max(known)[1] == probe.expect["answer"]
                    checked += 1
        assert checked > 50

    def test_before_it_was_registered_nothing_was_known(self) -> None:
        for sample in peps.load(DATA):
            known = turns(sample)
            for probe in (p for p in sample.probes if p.category == "control_before_known"):
                assert all(known[ref].at > probe.query.as_of + timedelta(days=1) for ref in probe.expect["stale"])

    def test_no_chain_is_torn_between_samples(self) -> None:
        for sample in peps.load(DATA):
            known = turns(sample)
            for probe in (p for p in sample.probes if p.category == "head"):
                assert {*probe.expect["current"], *probe.expect["stale"]} <= set(known)


edges = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20)


class TestChains:
    @given(edges)
    def test_a_head_was_replaced_by_nothing_and_is_reached_from_its_document(
        self, pairs: list[tuple[int, int]]
    ) -> None:
        chains = Chains(pairs)
        replaced = {old for old, new in pairs if old != new}
        for document in range(13):
            for head, depth in chains.heads(document).items():
                assert head not in replaced
                assert head in chains.family(document)
                assert (depth == 0) == (head == document)

    @given(edges, st.integers(1, 6))
    def test_dealing_keeps_every_document_once_and_families_whole(
        self, pairs: list[tuple[int, int]], size: int
    ) -> None:
        chains = Chains(pairs)
        blocks = deal(range(13), chains, size)
        assert sorted(document for block in blocks for document in block) == list(range(13))
        assert all(chains.family(document) <= set(block) for block in blocks for document in block)

    def test_distance_is_the_fewest_replacements(self) -> None:
        assert Chains([(1, 2), (2, 3), (1, 3), (3, 4)]).heads(1) == {4: 2}

    def test_a_split_has_two_heads(self) -> None:
        assert Chains([(1, 2), (1, 3)]).heads(1) == {2: 1, 3: 1}


class TestModality:
    def test_sentences_are_dealt_so_that_no_sample_holds_one_label_only(self) -> None:
        for sample in modality.load(DATA):
            assert len({probe.expect["modality"] for probe in sample.probes if "modality" in probe.expect}) >= 3

    def test_what_was_never_said_is_asked_for_as_a_control(self) -> None:
        for sample in modality.load(DATA):
            said = {turn.text for turn in turns(sample).values()}
            for probe in sample.probes:
                assert (probe.query.text in said) == probe.expect.get("answerable", True)

    def test_a_label_that_is_not_one_of_the_five_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "dev.jsonl"
        path.write_text('{"text": "x", "label": "rumour"}\n')
        with pytest.raises(EvalError, match="option_considered"):
            modality.load(path)


class TestChecksums:
    def test_a_file_under_a_published_name_must_be_the_published_file(self, tmp_path: Path) -> None:
        path = tmp_path / "locomo10.json"
        path.write_text("[]")
        with pytest.raises(EvalError, match=r"not the published locomo10\.json"):
            locomo.load(path)

    def test_a_set_without_the_file_beside_it_is_missing_and_says_which(self, tmp_path: Path) -> None:
        shutil.copytree(DATA / "peps", tmp_path / "peps")
        (tmp_path / "peps" / "supersedes_edges.json").unlink()
        with pytest.raises(DataMissing, match=r"supersedes_edges\.json"):
            peps.load(tmp_path)


class TestCatalogue:
    def test_what_ships_is_present_with_its_hashes_and_the_rest_says_where_to_get_it(self) -> None:
        holdings = {holding.source.folder: holding for holding in inventory(DATA)}
        for holding in holdings.values():
            if holding.source.ships:
                assert holding.files
                assert all(len(digest) == 64 for digest in holding.files.values())
                assert holding.problem is None
            else:
                assert "https://" in holding.problem
        assert set(holdings["peps"].files) == {
            "peps/peps.jsonl",
            "peps/status_history.jsonl",
            "peps/supersedes_edges.json",
        }

    def test_an_empty_folder_has_nothing_and_a_problem_for_each(self, tmp_path: Path) -> None:
        assert all(not holding.files and holding.problem for holding in inventory(tmp_path))


class TestRfcs:
    def test_updates_amend_and_only_obsoletes_supersedes(self) -> None:
        relations = [item for s in rfcs.load(DATA) for item in s.items if isinstance(item, Edge)]
        assert {edge.relation for edge in relations} == {"supersedes", "amends"}
        known = {(e["old"], e["new"]): e["kind"] for e in json.loads((DATA / "ietf_rfc_index/edges.json").read_text())}
        for edge in relations:
            pair = (int(edge.old[0][4:]), int(edge.new[0][4:]))
            assert known[pair] == ("obsoletes" if edge.relation == "supersedes" else "updates")

    def test_a_document_that_was_only_updated_still_holds(self) -> None:
        probes = [p for s in rfcs.load(DATA) for p in s.probes if p.category == "only_updated"]
        assert probes
        assert all("stale" not in probe.expect and probe.expect["live"] for probe in probes)

    def test_the_relation_stands_in_the_words_of_the_newer_document(self) -> None:
        for sample in rfcs.load(DATA):
            known = turns(sample)
            for edge in (item for item in sample.items if isinstance(item, Edge)):
                assert f"RFC {int(edge.old[0][4:])}" in known[edge.new[0]].text

    def test_on_a_date_what_came_later_is_not_current(self) -> None:
        for sample in rfcs.load(DATA):
            known = turns(sample)
            for probe in (p for p in sample.probes if p.category == "as_of"):
                assert all(known[ref].at <= probe.query.as_of for ref in probe.expect["current"])
