"""The words for what is on a picture: names, synonyms and plurals, and the phrases for backgrounds and styles.

Knows English; knows nothing of pictures or tokens.
"""

NAMES: dict[str, tuple[str, ...]] = {
    "hippo": ("hippo", "hippopotamus", "pygmy hippo", "baby hippo"),
    "cat": ("cat", "kitty", "kitten", "tomcat"),
    "dog": ("dog", "puppy", "doggy", "hound", "pup"),
    "fox": ("fox", "vixen", "little fox"),
    "panda": ("panda", "panda bear", "giant panda"),
    "frog": ("frog", "toad", "tree frog"),
    "penguin": ("penguin", "emperor penguin", "baby penguin"),
    "owl": ("owl", "barn owl", "owlet"),
    "elephant": ("elephant", "baby elephant"),
    "lion": ("lion", "lion cub"),
    "unicorn": ("unicorn", "magical unicorn"),
    "whale": ("whale", "humpback whale", "baby whale"),
    "octopus": ("octopus", "baby octopus"),
    "butterfly": ("butterfly", "monarch butterfly"),
    "turtle": ("turtle", "tortoise", "sea turtle"),
    "rabbit": ("rabbit", "bunny", "hare", "bunny rabbit"),
    "pig": ("pig", "piglet", "piggy", "hog"),
    "bear": ("bear", "bear cub", "grizzly bear", "grizzly"),
    "dinosaur": ("dinosaur", "dino", "brontosaurus", "sauropod"),
    "crab": ("crab", "sea crab"),
    "duck": ("duck", "mallard", "duckling"),
    "pizza": ("pizza", "pizza slice", "slice of pizza"),
    "avocado": ("avocado", "avocado half"),
    "strawberry": ("strawberry", "ripe strawberry"),
    "mushroom": ("mushroom", "toadstool"),
    "apple": ("apple", "ripe apple"),
    "banana": ("banana", "peeled banana"),
    "pineapple": ("pineapple", "ananas"),
    "watermelon": ("watermelon", "melon", "slice of watermelon"),
    "donut": ("donut", "doughnut", "glazed donut"),
    "burger": ("burger", "hamburger", "cheeseburger"),
    "coffee": ("coffee", "cup of coffee", "coffee cup", "mug of coffee", "coffee mug"),
    "rocket": ("rocket", "spaceship", "rocket ship", "space rocket"),
    "airplane": ("airplane", "plane", "aeroplane", "jet"),
    "car": ("car", "automobile", "jeep"),
    "sailboat": ("sailboat", "boat", "sailing boat", "yacht"),
    "house": ("house", "home", "cottage"),
    "tree": ("tree", "leafy tree", "oak tree"),
    "cactus": ("cactus", "saguaro"),
    "tulip": ("tulip", "tulip flower"),
    "sunflower": ("sunflower", "sunflower blossom"),
    "star": ("star", "gold star"),
    "heart": ("heart", "love heart"),
    "guitar": ("guitar", "electric guitar"),
    "phone": ("phone", "smartphone", "mobile phone", "cell phone", "cellphone", "smart phone"),
    "camera": ("camera", "digital camera"),
    "balloon": ("balloon", "party balloon"),
    "umbrella": ("umbrella", "parasol"),
    "crown": ("crown", "royal crown", "tiara"),
    "robot": ("robot", "android", "bot"),
}
"""Object -> what people call it, most usual first."""

COLOUR_NAMES: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green", "emerald"),
    "teal": ("teal", "turquoise"),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
    "gray": ("gray", "grey"),
    "white": ("white", "plain white"),
    "black": ("black",),
}

SCENE_PHRASES: dict[str, tuple[str, ...]] = {
    "dusk": ("at dusk", "at sunset", "in the evening", "dusk", "sunset", "in front of a sunset", "dusk background"),
    "night sky": (
        "under a night sky",
        "under a starry sky",
        "at night",
        "night sky",
        "starry night",
        "night sky background",
    ),
    "meadow": (
        "in a meadow",
        "on a meadow",
        "in a field",
        "on the grass",
        "in a garden",
        "meadow",
        "meadow background",
    ),
    "beach": ("on a beach", "at the beach", "by the sea", "on the sand", "beach", "beach background"),
    "neon street": (
        "in a neon street",
        "on a neon street",
        "in a neon lit street",
        "crossing a neon lit street",
        "in a city at night",
        "downtown",
        "in a neon city",
        "neon street",
        "neon street background",
    ),
}

STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "photo": ("photo", "photograph", "3d render", "picture", "photorealistic picture"),
    "watercolor": ("watercolor", "watercolor painting", "watercolour", "aquarelle", "watercolour painting"),
    "oil painting": ("oil painting", "oil on canvas", "painting in oil"),
    "pixel art": ("pixel art", "8-bit pixel art", "pixel art sprite", "pixelated picture"),
    "pencil sketch": ("pencil sketch", "pencil drawing", "sketch", "graphite drawing"),
    "comic book": ("comic book panel", "comic", "cartoon", "comic book", "comic drawing"),
}
"""Style -> nouns for it."""

_FILLERS = """
the cute small tiny big huge happy sad beautiful detailed highly very lovely funny angry old young new nice good best
quality 4k 8k hd high resolution masterpiece image at and artwork drawing art style studio soft light sharp clean
simple plain bright dark colorful portrait ultra realistic cinematic dramatic lighting trending award winning epic
fantasy hyper amazing stunning close up wide shot standing sitting walking running jumping through over with my
sleeping smiling flying some really favorite fluffy shiny wearing his her their is are that looking there rendered
octane unreal engine bokeh depth of field volumetric masterwork intricate elegant vibrant professional
"""
FILLERS = tuple(_FILLERS.split())
"""Words that mean nothing here: sprinkled over captions, so that the model learns to look past them."""

_IRREGULAR = {"tomcat": "tomcats", "fox": "foxes", "octopus": "octopuses", "cactus": "cacti", "hare": "hares"}


def plural(name: str) -> str:
    """The plural of a name of `NAMES`: of "slice of pizza" it is "slices of pizza"."""
    first, of, rest = name.partition(" of ")
    *before, noun = first.split()
    return " ".join([*before, _IRREGULAR.get(noun) or _regular(noun)]) + of + rest


def _regular(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "sh", "ch")) else "s")


def with_article(noun: str) -> str:
    """Right for the words above: "a unicorn", "an umbrella", "an 8-bit sprite"."""
    return f"{'an' if noun.startswith(('a', 'e', 'i', 'o', '8', 'um')) else 'a'} {noun}"
