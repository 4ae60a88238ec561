import torch

from worker.prompt_cache import PROMPT_CACHE_BYTES, EncodedText, PromptCache
from worker.settings import WorkerSettings

MIB = 1024**2


def text(bytes_: int) -> EncodedText:
    """As Flux has it: two tensors."""
    return EncodedText(
        {
            "prompt_embeds": torch.zeros(1, bytes_ // 2, 1, dtype=torch.uint8),
            "pooled_prompt_embeds": torch.zeros(1, bytes_ // 2, dtype=torch.uint8),
        }
    )


def test_it_holds_as_much_as_its_bound_and_the_text_used_longest_ago_goes_first() -> None:
    cache = PromptCache(limit_bytes=300)
    first, second, third, fourth = (text(100) for _ in range(4))
    for key, each in ((b"1", first), (b"2", second), (b"3", third)):
        cache.put(key, each)
    assert cache.size_bytes == 300
    assert cache.get(b"1") is first
    cache.put(b"4", fourth)
    assert cache.size_bytes == 300
    assert [cache.get(key) for key in (b"1", b"2", b"3", b"4")] == [first, None, third, fourth]
    cache.put(b"5", text(250))
    assert cache.size_bytes == 250


def test_what_is_larger_than_the_bound_is_not_kept_and_drives_nothing_out() -> None:
    cache = PromptCache(limit_bytes=300)
    cache.put(b"1", kept := text(100))
    cache.put(b"2", text(302))
    assert cache.get(b"2") is None
    assert cache.get(b"1") is kept
    assert cache.size_bytes == 100


def test_its_bound_is_small_against_the_growth_that_ends_a_worker_and_large_against_a_prompt() -> None:
    drift = WorkerSettings.model_fields["recycle_drift_bytes"].default
    assert drift >= 16 * PROMPT_CACHE_BYTES
    t5 = EncodedText({"prompt_embeds": torch.zeros(1, 512, 4096, dtype=torch.bfloat16)})
    assert t5.tokens == 512
    assert t5.size_bytes == 4 * MIB == PROMPT_CACHE_BYTES // 16
