"""A password in an address, well written or mistyped, is repeated by no command, on no stream, in no file."""

from __future__ import annotations

import json

import pytest

from fedcli.errors import PasswordInAddress
from fedcli.workflow.train import train
from tests.workflow.play import command, snapshot
from tests.workflow.test_screen import NAMES

SECRET = "Hunter2"
ADDRESSES = [
    f"ann:{SECRET}@host/db",
    f"postgresql:/ann:{SECRET}@127.0.0.1/db",
    f"postgresql//ann:{SECRET}@127.0.0.1/db",
    f"postgresql://ann:{SECRET}@127.0.0.1/db",
    f"postgresql:ann:{SECRET}@h",
    f"jdbc:postgresql://h/db?user=ann&password={SECRET}",
    f"host=h dbname=d user=ann password={SECRET}",
    f"host=h password: {SECRET}",
    f"host=h password {SECRET}",
    f"host=h;TOKEN:{SECRET}",
    f"postgresql://ann@host/db?options=passwd: {SECRET}",
    f"host=h password%3D{SECRET}",
    f"Server=h;Uid=ann;Pwd={SECRET}",
]
# No sign says that they are addresses, or where in them the secret is: not repeated, and not taken for a password.
UNSURE = [f"password {SECRET}", f"my secret {SECRET}", f"host=h dbname=d key={SECRET}", f"ann/{SECRET}@orcl"]
# What a shell makes of them without quotes.
TORN = [f"host=h password: {SECRET}", f"host=h password {SECRET}", f"host = h password = {SECRET}", f"--pwd:{SECRET}"]


@pytest.mark.parametrize("name", [*NAMES, "chekc", ""])
@pytest.mark.parametrize("address", [ADDRESSES[0], ADDRESSES[-1]])
def test_no_command_repeats_a_password(name, address, tmp_path):
    for words in ([address], [address, "more"], ["--data", address], [f"--data={address}"], ["-C", address]):
        done = command(*name.split(), *words, "--json")
        assert (done.status, json.loads(done.out)["error"]["code"]) == (3, "E330")
        assert SECRET not in done.out + done.err
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("query", [[], ["--query", "SELECT 1"]])
def test_check_train_join_and_predict_refuse_it_and_write_nothing(address, query, town):
    place = town("joined")
    before, north = snapshot(place.root), place.silo("north")
    joining = [place.study, "--key", place.key("north"), "--data", address, "-C", place.root / "new"]
    for words in (["check", address, "-C", north], ["train", address, "-C", north, "--yes"], ["join", *joining]):
        done = place.run(*words, *query)
        assert done.status == 3
        assert SECRET not in done.out + done.err
        assert "error[E330]" in done.err
    assert snapshot(place.root) == before


@pytest.mark.parametrize("address", ADDRESSES)
def test_one_in_silo_yaml_is_refused_and_not_repeated(address, town):
    place = town("joined")
    north = place.silo("north")
    lines = (north / "silo.yaml").read_text().splitlines()
    lines = [f"data: '{address}'" if line.startswith("data:") else line for line in lines]
    (north / "silo.yaml").write_text("\n".join([*lines, ""]))
    for words in (["check", "-C", north], ["train", "-C", north, "--yes"], ["train", "-C", north, "--json"]):
        done = place.run(*words, passphrase=words[0] == "train")
        assert SECRET not in done.out + done.err
        assert "error[E330]" in done.err
    with pytest.raises(PasswordInAddress) as caught:
        train(workspace=north, passphrase=place.passphrase.read_text().strip(), yes=True)
    assert SECRET not in f"{caught.value} {caught.value.__context__}"


@pytest.mark.parametrize("address", UNSURE)
def test_what_may_be_an_address_is_repeated_by_no_command_wherever_it_stands(address, town):
    place = town("joined")
    north, key = place.silo("north"), place.key("north")
    typed = [[address], ["check", address, "-C", north], ["train", address, "-C", north], ["status", "-C", address]]
    typed += [
        ["join", address, "--key", key, "--data", place.table("north")],
        ["keys", "new", "n", "-o", f"{address}/n"],
    ]
    typed += [["check", "--holdout", address], ["report", "--format", address, "-C", north], ["inspect", address]]
    typed += [["join", place.study, "--key", key, "--data", address, "-C", place.root / "new"], ["simulate", address]]
    for words in typed:
        for more in ([], ["--json"]):
            done = command(*words, *more)
            assert done.status in (2, 3) or "error[E506]" in done.err
            assert SECRET not in done.out + done.err
            assert "E330" not in done.out + done.err


@pytest.mark.parametrize("address", UNSURE)
def test_what_may_be_one_in_silo_yaml_is_not_repeated_either(address, town):
    place = town("joined")
    north = place.silo("north")
    lines = (north / "silo.yaml").read_text().splitlines()
    lines = [f"data: '{address}'" if line.startswith("data:") else line for line in lines]
    (north / "silo.yaml").write_text("\n".join([*lines, ""]))
    for words in (["check", "-C", north], ["train", "-C", north, "--yes", "--json"], ["status", "-C", north]):
        done = place.run(*words, passphrase=words[0] != "check")
        assert SECRET not in done.out + done.err


def test_a_missing_file_of_an_ordinary_name_is_named(tmp_path):
    town_like = ["passengers of may.csv", "compass readings.csv", "year=2024/ward=3.csv", "north.csv"]
    for name in town_like:
        assert f"'{tmp_path / name}'" in " ".join(command("inspect", tmp_path / name).err.split())


@pytest.mark.parametrize("name", ["check", "train", "status", "chekc"])
@pytest.mark.parametrize("typed", TORN)
def test_a_password_that_the_shell_made_a_word_of_its_own_is_not_repeated(typed, name):
    for more in ([], ["--json"]):
        done = command(name, *typed.split(), *more)
        assert done.status == 3
        assert SECRET not in done.out + done.err


def test_a_title_may_speak_of_tokens_and_passwords(tmp_path):
    for title in ("Token: what it buys", "Password fatigue among nurses"):
        done = command("study", "init", tmp_path / "s", "--key", tmp_path / "none.fedkey", "--title", title)
        assert "error[E301]" in done.err


def test_a_query_may_speak_of_a_token(town):
    place = town("joined")
    query = "SELECT 1 WHERE token = 'x'"
    done = command("check", place.table("north"), "-C", place.silo("north"), "--query", query)
    assert "error[E329]" in done.err
