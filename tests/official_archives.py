"""Small archives of the public benchmarks, in exactly their official layout, with pictures of one colour each."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

CUB_NAMES = [f"{number:03d}.Bird_{number}" for number in range(1, 201)]
CUB_CLASSES = (1, 2, 100, 101, 102, 200)
CARS_NAMES = [f"Maker Model {number} Sedan {1990 + number % 23}" for number in range(1, 197)]
CARS_CLASSES = (1, 98, 99, 196)
CARS_FIELDS = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")
SOP_PRODUCTS = {
    "train": ((1, 1, "bicycle"), (2, 1, "bicycle"), (3, 2, "cabinet")),
    "test": ((11319, 1, "bicycle"), (11320, 3, "chair")),
}
INSHOP_ITEMS = (
    ("WOMEN/Dresses", "id_00000002", ("train", "train")),
    ("MEN/Denim", "id_00000080", ("train", "train", "train")),
    ("WOMEN/Blouses_Shirts", "id_00000001", ("query", "gallery", "gallery")),
    ("WOMEN/Dresses", "id_00007982", ("gallery", "query")),
)


def picture(seed: int) -> bytes:
    """A small JPEG whose colour belongs to the seed."""
    colour = np.random.default_rng(seed).integers(0, 255, 3).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.broadcast_to(colour, (24, 20, 3)).copy()).save(stream, "JPEG")
    return stream.getvalue()


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def cub(downloads: Path) -> None:
    """CUB_200_2011.tgz, three pictures of each of six species."""
    files: dict[str, bytes] = {"attributes.txt": b"1 has_bill_shape::curved\n"}
    images, labels, boxes, split = [], [], [], []
    for number, name in ((number, CUB_NAMES[number - 1]) for number in CUB_CLASSES):
        for place in range(3):
            image, path = len(images) + 1, f"{name}/{name[4:]}_{place:04d}_{number}.jpg"
            images.append(f"{image} {path}")
            labels.append(f"{image} {number}")
            boxes.append(f"{image} 6.0 7.0 8.0 9.0")
            split.append(f"{image} {place % 2}")
            files[f"CUB_200_2011/images/{path}"] = picture(100 * number + place)
    classes = [f"{number} {name}" for number, name in enumerate(CUB_NAMES, start=1)]
    lists = {"images": images, "image_class_labels": labels, "bounding_boxes": boxes, "classes": classes}
    for name, lines in (lists | {"train_test_split": split}).items():
        files[f"CUB_200_2011/{name}.txt"] = text(lines)
    write_tar(downloads / "CUB_200_2011.tgz", files)


def car_annotations(path: Path, images: list[str], classes: list[int], names: list[str]) -> None:
    """cars_annos.mat: a struct array of one row, and a cell array of names."""
    annotations = np.empty((1, len(images)), dtype=[(field, object) for field in CARS_FIELDS])
    for column, (image, number) in enumerate(zip(images, classes, strict=True)):
        annotations[0, column] = (image, 1, 2, 15, 16, np.uint8(number), np.uint8(0))
    cells = np.empty((1, len(names)), dtype=object)
    cells[0] = names
    savemat(path, {"annotations": annotations, "class_names": cells})


def cars(downloads: Path) -> None:
    """car_ims.tgz and cars_annos.mat, two pictures of each of four classes."""
    downloads.mkdir(parents=True, exist_ok=True)
    classes = [number for number in CARS_CLASSES for _ in range(2)]
    images = [f"car_ims/{place:06d}.jpg" for place in range(1, len(classes) + 1)]
    write_tar(downloads / "car_ims.tgz", {image: picture(5000 + place) for place, image in enumerate(images)})
    car_annotations(downloads / "cars_annos.mat", images, classes, CARS_NAMES)


def sop(downloads: Path) -> None:
    """Stanford_Online_Products.zip, two pictures of each of five products."""
    files: dict[str, bytes] = {}
    image = 0
    for part, products in SOP_PRODUCTS.items():
        lines = ["image_id class_id super_class_id path"]
        for product, super_class, name in products:
            for place in range(2):
                image += 1
                path = f"{name}_final/{111085122871 + product}_{place}.JPG"
                lines.append(f"{image} {product} {super_class} {path}")
                files[f"Stanford_Online_Products/{path}"] = picture(7000 + image)
        files[f"Stanford_Online_Products/Ebay_{part}.txt"] = text(lines)
    write_zip(downloads / "Stanford_Online_Products.zip", files)


def inshop(downloads: Path) -> None:
    """img.zip and list_eval_partition.txt, ten pictures of four items."""
    files: dict[str, bytes] = {}
    lines: list[str] = []
    for kind, item, roles in INSHOP_ITEMS:
        for place, role in enumerate(roles, start=1):
            image = f"img/{kind}/{item}/{place:02d}_1_front.jpg"
            lines.append(f"{image:<90} {item} {role}")
            files[image] = picture(9000 + len(files))
    write_zip(downloads / "img.zip", files)
    rows = [str(len(lines)), "image_name item_id evaluation_status", *lines]
    (downloads / "list_eval_partition.txt").write_bytes(text(rows))


WRITERS = {"cub": cub, "cars": cars, "sop": sop, "inshop": inshop}


def replace_line(path: Path, line: int, new: str) -> None:
    """Put another text in place of a line (from 1); a line after the last is added."""
    lines = path.read_text().splitlines()
    lines[line - 1 : line] = [new]
    path.write_text("\n".join(lines) + "\n")
