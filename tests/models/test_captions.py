"""What a caption says of a picture."""

import random
import re

import pytest

from models.train.art import LABELS
from models.train.captions import FILLED, caption, meaningful_words, with_fillers
from models.train.compose import BACKGROUNDS, Content, draw_contents
from models.train.held_prompts import in_scenes, of_pairs, on_colours
from models.train.scenes import COLOURS, SCENES
from models.train.styles import STYLES
from models.train.words import COLOUR_NAMES, NAMES, SCENE_PHRASES, STYLE_PHRASES, plural, with_article


def some(content: Content, count: int = 400) -> set[str]:
    rng = random.Random(0)
    return {caption(content, rng, unsaid_is_photo=False) for _ in range(count)}


def test_there_are_words_for_everything_that_is_drawn() -> None:
    assert set(NAMES) == set(LABELS)
    assert set(COLOUR_NAMES) == set(COLOURS)
    assert set(SCENE_PHRASES) == set(SCENES)
    assert set(STYLE_PHRASES) == set(STYLES)
    assert (len(LABELS), len(COLOURS), len(SCENES), len(STYLES)) == (50, 12, 5, 6)


def test_no_name_means_two_objects() -> None:
    names = [name for row in NAMES.values() for name in row]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("hippo", "hippos"),
        ("kitty", "kitties"),
        ("fox", "foxes"),
        ("butterfly", "butterflies"),
        ("strawberry", "strawberries"),
        ("cup of coffee", "cups of coffee"),
        ("cactus", "cacti"),
        ("monkey", "monkeys"),
    ],
)
def test_plurals(name: str, many: str) -> None:
    assert plural(name) == many


def test_articles() -> None:
    assert [with_article(word) for word in ("owl", "unicorn", "umbrella", "cat", "8-bit sprite")] == [
        "an owl",
        "a unicorn",
        "an umbrella",
        "a cat",
        "an 8-bit sprite",
    ]


def test_one_picture_has_many_captions() -> None:
    texts = some(Content(("cat",), "red", "watercolor"))
    assert len(texts) > 200
    for phrase in ("a kitten", "in the style of a watercolor", "red background", "crimson backdrop"):
        assert any(phrase in text for text in texts), phrase


def test_two_objects_are_named_left_to_right() -> None:
    texts = [text for text in some(Content(("cat", "pizza"), "red", "photo")) if "pizza" in text and "cat" in text]
    assert texts
    assert all(text.index("cat") < text.index("pizza") for text in texts)


def test_the_same_object_twice_is_a_plural() -> None:
    texts = some(Content(("frog", "frog"), "red", "photo"))
    assert any(re.search("two frogs", text) for text in texts)
    assert not any(re.search(r"\b(frog|toad)\b", text) for text in texts)


def test_each_part_is_left_out_now_and_then() -> None:
    texts = some(Content(("star",), "teal", "pixel art"), 4000)
    without = [[text for text in texts if not re.search(words, text)] for words in ("star", "teal|turquoise", "pixel")]
    assert all(len(each) > 10 for each in without)


@pytest.mark.parametrize(("style", "unsaid"), [("photo", True), ("comic book", False)])
def test_what_names_no_style_can_be_said_to_be_a_photo(style: str, unsaid: bool) -> None:
    rng, content = random.Random(0), Content(("star",), "teal", style)
    texts = [caption(content, rng, unsaid_is_photo=True) for _ in range(400)]
    named = [any(phrase in text for phrase in STYLE_PHRASES[style]) for text in texts]
    assert (not all(named)) is unsaid


def test_no_caption_has_a_hole_in_it() -> None:
    rng = random.Random(1)
    texts = [caption(content, rng, unsaid_is_photo=False) for content in draw_contents(rng, 1, 500)]
    assert not [text for text in texts if re.search(r"  |,,|, ,|^[ ,]|[ ,]$|{|}", text)]


def test_captions_hold_only_words_that_are_known_to_mean_something() -> None:
    rng = random.Random(2)
    texts = [caption(content, rng, unsaid_is_photo=False) for content in draw_contents(rng, 1, 500)]
    words = {word for text in texts for word in re.findall("[a-z]+", text)}
    assert words - meaningful_words() == set()


def test_fillers_leave_the_caption_in_its_order() -> None:
    rng = random.Random(3)
    text = "a cat on a red background, watercolor"
    filled = [with_fillers(text, ["zebra"], rng) for _ in range(400)]
    longer = [each for each in filled if each != text]
    assert abs(len(longer) / len(filled) - FILLED) < 0.1
    for each in longer:
        rest = iter(each.split())
        assert all(word in rest for word in text.split())


def test_held_prompts_cover_everything_and_say_what_they_hold() -> None:
    flat, scenes, pairs = on_colours(), in_scenes(), of_pairs()
    assert {(prompt.content.objects[0], prompt.content.background) for prompt in (*flat, *scenes)} == {
        (name, background) for name in LABELS for background in BACKGROUNDS
    }
    for prompts in (flat, scenes, pairs):
        assert {prompt.content.style for prompt in prompts} == set(STYLES)
    assert {prompt.name for prompt in flat} == {"usual", "synonym", "plural"}
    assert {prompt.phrasing for prompt in flat} == {"caption", "own words"}
    assert len({prompt.text for prompt in flat}) == len(flat) == 600
    for prompt in (*flat, *scenes):
        names = [*NAMES[prompt.content.objects[0]], *map(plural, NAMES[prompt.content.objects[0]])]
        assert any(name in prompt.text for name in names), prompt
        assert any(phrase in prompt.text for phrase in STYLE_PHRASES[prompt.content.style]), prompt


def test_held_prompts_of_own_words_are_phrased_as_no_caption_is() -> None:
    own = [prompt.text for prompt in on_colours() if prompt.phrasing == "own words"]
    assert len(own) > 200
    assert all(re.search("please draw|favourite|showing|best quality", text) for text in own)
