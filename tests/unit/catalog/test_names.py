"""What a pasted text refers to, which quant a file is, and which names may become paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.models import RemoteFile
from qwen_desktop.hub.names import (
    Reference,
    best_mmproj,
    find_quant,
    is_model,
    is_repo,
    local_path,
    parse_reference,
    quant_of,
    quants_of,
    safe_path,
    split_of,
)

REPO = "Qwen/Qwen3-4B-GGUF"
FILE = "Qwen3-4B-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (REPO, Reference(REPO)),
        (f"  {REPO}\n", Reference(REPO)),
        (f"{REPO}:q4_k_m", Reference(REPO, "Q4_K_M")),
        (f"{REPO}:latest", Reference(REPO)),
        (f"{REPO}@abc123:Q8_0", Reference(REPO, "Q8_0", "", "abc123")),
        (f"{REPO}:{FILE}", Reference(REPO, "Q4_K_M", FILE)),
        (f"hf.co/{REPO}:Q4_K_M", Reference(REPO, "Q4_K_M")),
        (f"ollama run hf.co/{REPO}:UD-Q4_K_XL", Reference(REPO, "UD-Q4_K_XL")),
        (f"llama-cli -hf {REPO}:Q8_0 -c 0", Reference(REPO, "Q8_0")),
        (f"huggingface-cli download {REPO} {FILE} --local-dir ./models", Reference(REPO, "Q4_K_M", FILE)),
        (f"https://huggingface.co/{REPO}", Reference(REPO)),
        (f"https://huggingface.co/{REPO}/tree/main", Reference(REPO)),
        (f"https://huggingface.co/{REPO}/tree/main/UD-Q4_K_XL", Reference(REPO, "UD-Q4_K_XL")),
        (f"https://huggingface.co/{REPO}/blob/main/{FILE}", Reference(REPO, "Q4_K_M", FILE)),
        (f"https://huggingface.co/{REPO}/resolve/abc/{FILE}?download=true", Reference(REPO, "Q4_K_M", FILE, "abc")),
        (f"https://huggingface.co/{REPO}?show_file_info={FILE}", Reference(REPO, "Q4_K_M", FILE)),
        (f"see https://huggingface.co/{REPO}.", Reference(REPO)),
        (f"<https://huggingface.co/{REPO}>", Reference(REPO)),
        (f"https://hf-mirror.com/{REPO}", Reference(REPO)),
        (f"https://mirror.example:8443/{REPO}/resolve/main/{FILE}", Reference(REPO, "Q4_K_M", FILE)),
        (f"https://modelscope.cn/models/{REPO}", Reference(REPO, modelscope=True)),
        (f"https://www.modelscope.cn/models/{REPO}/summary", Reference(REPO, modelscope=True)),
        (f"https://modelscope.ai/models/{REPO}/resolve/master/{FILE}", Reference(REPO, "Q4_K_M", FILE, "", True)),
        (f"modelscope.cn/models/{REPO}/file/view/master/{FILE}?status=2", Reference(REPO, "Q4_K_M", FILE, "", True)),
        (
            f"https://modelscope.cn/api/v1/models/{REPO}/repo?Revision=master&FilePath={FILE}",
            Reference(REPO, "Q4_K_M", FILE, "", True),
        ),
    ],
)
def test_what_a_text_refers_to(text: str, wanted: Reference) -> None:
    assert parse_reference(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n ",
        "qwen",
        "what is a model?",
        "../../etc/passwd",
        "/home/me/models/a.gguf",
        "a/../b",
        "-rf/..",
        "https://huggingface.co/",
        "https://huggingface.co/Qwen",
        "https://huggingface.co/datasets/Qwen/x",
        "https://huggingface.co/docs/hub/index",
        "https://modelscope.cn/organization/qwen",
        "https://[::1",
        "nul/con",
        "a" * 200 + "/b",
    ],
)
def test_a_text_without_a_model_gets_a_sentence(text: str) -> None:
    with pytest.raises(UserFacing) as caught:
        parse_reference(text)
    problem = caught.value.problem
    assert str(problem.what).endswith(".")
    assert problem.hint is not None
    assert "owner/name" in str(problem.hint)


def test_another_host_is_named() -> None:
    with pytest.raises(UserFacing, match=r"example\.org is neither Hugging Face"):
        parse_reference("https://example.org/files/model.gguf")


def test_an_address_cannot_leave_its_repository() -> None:
    with pytest.raises(UserFacing, match="cannot be stored safely"):
        parse_reference(f"https://huggingface.co/{REPO}/resolve/main/..%2F..%2Fetc.gguf")


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        (FILE, "Q4_K_M"),
        ("qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "Q4_K_M"),
        ("UD-Q4_K_XL/Model-00001-of-00003.gguf", "UD-Q4_K_XL"),
        ("Qwen3.6-35B-A3B-UD-Q4_K_M.gguf", "UD-Q4_K_M"),
        ("Qwen3.6-35B-A3B-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("Qwen2-Audio-7B-Instruct.Q4_K_M.gguf", "Q4_K_M"),
        ("a.i1-IQ3_XXS.gguf", "IQ3_XXS"),
        ("a-IQ4_XS.gguf", "IQ4_XS"),
        ("a_IQ4_NL.gguf", "IQ4_NL"),
        ("a-TQ1_0.gguf", "TQ1_0"),
        ("a-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("a-Q8_K_XL.gguf", "Q8_K_XL"),
        ("a-fp16.gguf", "F16"),
        ("a-bf16.gguf", "BF16"),
        ("qwen2-0_5b-instruct-q8_0.gguf", "Q8_0"),
        ("Q8_0/README-model.gguf", "Q8_0"),
        ("model.gguf", ""),
        ("Qwen1.5-MoE-A2.7B.gguf", ""),
    ],
)
def test_the_quant_of_a_file(path: str, quant: str) -> None:
    assert quant_of(path) == quant


def test_parts_of_a_split_model() -> None:
    assert split_of("x/a-q8_0-00002-of-00003.gguf") == ("a-q8_0", 2, 3)
    assert split_of("a-q8_0-00004-of-00003.gguf") is None
    assert split_of(FILE) is None


def test_quants_are_grouped_complete_and_sorted() -> None:
    listed = [
        RemoteFile("README.md", 100),
        RemoteFile("m-Q8_0-00002-of-00002.gguf", 3),
        RemoteFile("m-Q8_0-00001-of-00002.gguf", 4),
        RemoteFile("m-Q6_K-00001-of-00002.gguf", 4),  # its second part is missing
        RemoteFile("Q4_K_M/m-Q4_K_M.gguf", 5),
        RemoteFile("m-Q2_K.gguf", 1),
        RemoteFile("mmproj-F16.gguf", 1),
        RemoteFile("mtp-m-Q4_0.gguf", 1),
        RemoteFile("imatrix_m.gguf", 1),
        RemoteFile("other-Q2_K.gguf", 9),
    ]
    found = quants_of(listed)
    assert [q.name for q in found] == ["Q2_K", "Q4_K_M", "Q8_0"]
    assert [f.path for f in found[2].files] == ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]
    assert [q.size_bytes for q in found] == [1, 5, 7]
    assert found[0].files[0].path == "m-Q2_K.gguf", "the model that most files belong to"


def test_a_whole_file_goes_before_its_parts() -> None:
    listed = [RemoteFile(f"m-Q4_K_M{end}.gguf", 2) for end in ("-00001-of-00002", "-00002-of-00002", "")]
    assert [f.path for f in quants_of(listed)[0].files] == ["m-Q4_K_M.gguf"]


def test_a_file_without_a_quant_is_offered_all_the_same() -> None:
    assert [q.name for q in quants_of([RemoteFile("folder/model.gguf", 3)])] == ["model"]


def test_sizes_that_are_not_known_stay_unknown() -> None:
    assert quants_of([RemoteFile("m-Q4_0.gguf")])[0].size_bytes is None


def test_the_mmproj_with_all_detail_is_taken() -> None:
    listed = [RemoteFile(f"mmproj-{q}.gguf") for q in ("F32", "Q8_0", "BF16", "F16")]
    assert [f.path for f in best_mmproj(listed)] == ["mmproj-F16.gguf"]
    assert best_mmproj([RemoteFile(FILE)]) == ()


def test_a_quant_is_found_in_any_spelling() -> None:
    found = quants_of([RemoteFile("m-UD-Q4_K_XL.gguf", 1), RemoteFile("m-F16.gguf", 2)])
    for wanted, name in (("ud-q4_k_xl", "UD-Q4_K_XL"), ("Q4_K_XL", "UD-Q4_K_XL"), ("fp16", "F16")):
        quant = find_quant(found, wanted)
        assert quant is not None
        assert quant.name == name
    assert find_quant(found, "Q8_0") is None


@pytest.mark.parametrize("name", ["mmproj-F16.gguf", "mtp-a-Q4_0.gguf", "imatrix.gguf", "a-lora-F16.gguf", "a.bin"])
def test_what_lies_beside_a_model_is_none(name: str) -> None:
    assert not is_model(name)


UNSAFE = ("", "/etc/x.gguf", "../x.gguf", "a/../x.gguf", "a//x.gguf", "./x", "C:x.gguf", "a\\x.gguf", "nul.gguf", "con")
UNSAFE_TOO = ("x.", "a\x00b.gguf", "a\nb.gguf", "x" * 300, "a/" * 9 + "x", "a:stream.gguf", "x ", "LPT1.gguf")


@pytest.mark.parametrize("path", [*UNSAFE, *UNSAFE_TOO])
def test_unsafe_paths_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UserFacing):
        safe_path(path)
    with pytest.raises(UserFacing):
        local_path(tmp_path, REPO, path)


def test_a_safe_path_lies_in_its_folder(tmp_path: Path) -> None:
    found = local_path(tmp_path, REPO, f"Q4_K_M/{FILE}")
    assert found == tmp_path / "Qwen" / "Qwen3-4B-GGUF" / "Q4_K_M" / FILE
    with pytest.raises(UserFacing):
        local_path(tmp_path, "../..", FILE)


@pytest.mark.parametrize("name", [REPO, "a/b", "a.b/c_d-e.f"])
def test_names_of_repositories(name: str) -> None:
    assert is_repo(name)


@pytest.mark.parametrize(
    "name", ["a", "a/b/c", "../b", "a/..", "con/b", "a/b.", ".a/b", "a b/c", "a/b\n", "a/b..c", "", "/b", "ä/b"]
)
def test_what_is_no_name_of_a_repository(name: str) -> None:
    assert not is_repo(name)
