"""Galleries of tile pyramids, within regions, and of chosen bands."""

import json
from pathlib import Path

import numpy as np
import pytest
from mean_colours import MeanColours
from pyramids import cut_tiles, write_folder, write_mbtiles, write_pmtiles
from rasters import texture, write_map

from skyfix.errors import SkyfixError
from skyfix.gallery import Gallery
from skyfix.gallery.verify import verify_gallery
from skyfix.geo.maps import open_map

ZOOM, FIRST = 19, (139_772, 215_520)
TILE_M, STRIDE_M = 30.0, 15.0


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One map in every form; the GeoTIFF has the grid of the tiles."""
    folder = tmp_path_factory.mktemp("maps")
    pixels = np.maximum(np.moveaxis(texture(1024, 768), 0, 2), 1)
    pixels[512:, :256] = 0
    tiles = cut_tiles(pixels, ZOOM, FIRST, levels=2)
    del tiles[ZOOM, FIRST[0], FIRST[1] + 2]
    found = {
        "tiles": write_folder(folder / "tiles", tiles),
        "mbtiles": write_mbtiles(folder / "m.mbtiles", tiles),
        "pmtiles": write_pmtiles(folder / "m.pmtiles", tiles),
    }
    with open_map(found["tiles"]) as pyramid:
        transform = pyramid.geo.transform
    image = np.moveaxis(pixels, 2, 0)
    found["geotiff"] = write_map(
        folder / "m.tif", image, "EPSG:3857", nodata=0, transform=transform
    )
    return found


def build(source: object, out: Path, **options: object) -> Gallery:
    return Gallery.build(source, out, MeanColours(), TILE_M, STRIDE_M, **options)


def refused(because: str, source: object, out: Path, **options: object) -> None:
    with pytest.raises(SkyfixError, match=because) as caught:
        build(source, out, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["tiles", "mbtiles", "pmtiles"])
def test_a_pyramid_gives_the_gallery_of_a_geotiff(
    kind: str, maps: dict[str, Path], tmp_path: Path
) -> None:
    ours, theirs = build(maps[kind], tmp_path / "a"), build(maps["geotiff"], tmp_path / "b")
    assert len(ours) == len(theirs) > 50
    np.testing.assert_allclose(ours.tiles.lon, theirs.tiles.lon, atol=1e-9)
    np.testing.assert_allclose(ours.tiles.lat, theirs.tiles.lat, atol=1e-9)
    assert (ours.descriptors * theirs.descriptors).sum(axis=1).min() > 0.999
    assert ours.info().counts == theirs.info().counts
    assert ours.info().counts.skipped_nodata > 0
    (source,) = ours.sources
    assert source.crs == "EPSG:3857" and source.bands == () and source.size_bytes > 10_000


def test_a_folder_of_maps_of_all_kinds_makes_one_gallery(
    maps: dict[str, Path], tmp_path: Path
) -> None:
    gallery = build([maps["tiles"], maps["geotiff"].parent], tmp_path / "g")
    names = [Path(source.path).name for source in gallery.sources]
    assert names == ["tiles", "m.mbtiles", "m.pmtiles", "m.tif"]
    assert set(np.unique(gallery.tiles.source)) == {0, 1, 2, 3}
    refused("same content", [maps["tiles"], maps["tiles"]], tmp_path / "twice")


def test_a_folder_of_tiles_is_known_again_wherever_it_is_and_not_when_it_changed(
    tmp_path: Path,
) -> None:
    tiles = cut_tiles(np.moveaxis(texture(512, 512), 0, 2), ZOOM, FIRST)
    first = write_folder(tmp_path / "first", tiles)
    gallery = build(first, tmp_path / "g")
    moved = first.rename(tmp_path / "moved")
    assert build(moved, tmp_path / "g").report.already_complete
    place = moved / str(ZOOM) / str(FIRST[0]) / f"{FIRST[1]}.png"
    other = cut_tiles(np.moveaxis(texture(256, 256, seed=3), 0, 2), ZOOM, FIRST)
    place.write_bytes(other[ZOOM, *FIRST])
    refused("content", moved, gallery.path)
    place.unlink()
    refused("content", moved, gallery.path)


def area(path: Path, geo_of: Path, box_px: tuple[float, float, float, float]) -> Path:
    """A GeoJSON rectangle around pixels (left, top, right, bottom) of a map."""
    left, top, right, bottom = box_px
    with open_map(geo_of) as raster:
        lon, lat = raster.geo.lonlat(
            np.array([left, right, right, left, left]), np.array([top, top, bottom, bottom, top])
        )
    ring = np.stack([lon, lat], axis=1).tolist()
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def test_a_region_keeps_the_tiles_inside_as_they_are(maps: dict[str, Path], tmp_path: Path) -> None:
    whole = build(maps["tiles"], tmp_path / "whole")
    region = area(tmp_path / "area.geojson", maps["tiles"], (300, 200, 700, 600))
    part = build(maps["tiles"], tmp_path / "part", region=region)
    tiles = whole.tiles
    column, row = tiles.column_px + tiles.width_px / 2, tiles.row_px + tiles.height_px / 2
    inside = (column > 300) & (column < 700) & (row > 200) & (row < 600)
    np.testing.assert_array_equal(part.tiles.id, tiles.id[inside])
    counts = part.info().counts
    assert counts.planned + counts.outside_region == whole.info().counts.planned
    assert np.abs(part.descriptors - whole.descriptors[inside]).max() < 0.02


def test_a_build_within_a_region_goes_on_within_the_same_one_only(
    maps: dict[str, Path], tmp_path: Path
) -> None:
    region = area(tmp_path / "area.geojson", maps["tiles"], (300, 200, 700, 600))
    gallery = build(maps["tiles"], tmp_path / "g", region=region)
    renamed = region.rename(tmp_path / "renamed.json")
    renamed.write_text(json.dumps(json.loads(renamed.read_text()), indent=4))
    assert build(maps["tiles"], tmp_path / "g", region=renamed).report.already_complete
    refused("region of interest", maps["tiles"], gallery.path)
    larger = area(tmp_path / "larger.geojson", maps["tiles"], (200, 200, 700, 600))
    refused("region of interest", maps["tiles"], gallery.path, region=larger)


def test_a_stopped_build_within_a_region_goes_on_where_it_was(
    maps: dict[str, Path], tmp_path: Path
) -> None:
    """Several pieces, of which the first ones are stored when the build stops."""
    region = area(tmp_path / "area.geojson", maps["pmtiles"], (100, 50, 900, 700))
    options = {"region": region, "thumbnail_px": 0}
    whole = Gallery.build(maps["pmtiles"], tmp_path / "w", MeanColours(), 20.0, 2.0, **options)
    assert whole.info().counts.planned > 1024

    class StopError(Exception):
        pass

    class Stopped(MeanColours):
        def embed(self, images: list[np.ndarray], view: str) -> np.ndarray:
            if self.embedded > 512:
                raise StopError
            return super().embed(images, view)

    out = tmp_path / "g"
    with pytest.raises(StopError):
        Gallery.build(maps["pmtiles"], out, Stopped(), 20.0, 2.0, **options)
    embedder = MeanColours()
    resumed = Gallery.build(maps["pmtiles"], out, embedder, 20.0, 2.0, **options)
    assert 0 < embedder.embedded < len(whole)
    np.testing.assert_array_equal(resumed.tiles.id, whole.tiles.id)
    np.testing.assert_array_equal(resumed.descriptors, whole.descriptors)


def test_regions_that_leave_nothing_are_refused(maps: dict[str, Path], tmp_path: Path) -> None:
    away = area(tmp_path / "away.geojson", maps["tiles"], (5000, 200, 6000, 600))
    refused("does not touch the imagery", maps["tiles"], tmp_path / "g", region=away)
    refused("No region at", maps["tiles"], tmp_path / "g", region=tmp_path / "none.json")
    assert not (tmp_path / "g").exists()


def test_a_region_may_miss_some_of_the_maps(maps: dict[str, Path], tmp_path: Path) -> None:
    other = write_map(tmp_path / "other.tif", texture(200, 200))
    region = area(tmp_path / "area.geojson", maps["tiles"], (300, 200, 700, 600))
    gallery = build([other, maps["tiles"]], tmp_path / "g", region=region)
    assert set(np.unique(gallery.tiles.source)) == {1}


def test_chosen_bands_are_kept_and_asked_again(tmp_path: Path) -> None:
    pixels = texture(200, 200, 5)
    path = write_map(tmp_path / "five.tif", pixels, photometric="MINISBLACK")
    picture = write_map(tmp_path / "rgb.tif", pixels[[4, 1, 2]])
    chosen = build(path, tmp_path / "chosen", bands=(5, 2, 3))
    plain = build(picture, tmp_path / "plain")
    np.testing.assert_array_equal(chosen.descriptors, plain.descriptors)
    assert chosen.sources[0].bands == (5, 2, 3) and plain.sources[0].bands == (1, 2, 3)
    assert build(path, chosen.path, bands=(5, 2, 3)).report.already_complete
    refused("bands 5,2,3 of five.tif, asked are 1,2,3", path, chosen.path)
    refused("no band 6", path, tmp_path / "g", bands=(6, 2, 3))


def test_a_gallery_of_an_earlier_version_still_opens(maps: dict[str, Path], tmp_path: Path) -> None:
    """Its description says neither bands nor regions."""
    gallery = build(maps["geotiff"], tmp_path / "g")
    path = gallery.path / "gallery.json"
    content = json.loads(path.read_text())
    (counts,) = content["contents"]["counts"]
    del content["region"], counts["outside_region"], content["sources"][0]["bands"]
    path.write_text(json.dumps(content))
    again = Gallery.open(gallery.path)
    assert len(again) == len(gallery) and again.sources[0].bands == ()
    assert build(maps["geotiff"], gallery.path).report.already_complete


def test_a_broken_tile_stops_the_build_with_its_name(tmp_path: Path) -> None:
    tiles = cut_tiles(np.moveaxis(texture(512, 512), 0, 2), ZOOM, FIRST)
    tiles[ZOOM, FIRST[0] + 1, FIRST[1] + 1] = tiles[ZOOM, *FIRST][:900]
    path = write_pmtiles(tmp_path / "m.pmtiles", tiles)
    refused(f"{ZOOM}/{FIRST[0] + 1}/{FIRST[1] + 1} of .*m.pmtiles", path, tmp_path / "g")


def test_maps_added_later_are_cut_within_the_same_region(
    maps: dict[str, Path], tmp_path: Path
) -> None:
    region = area(tmp_path / "area.geojson", maps["tiles"], (300, 200, 700, 600))
    both = build([maps["tiles"], maps["pmtiles"]], tmp_path / "both", region=region)
    grown = build(maps["tiles"], tmp_path / "grown", region=region)
    region.unlink()
    grown = grown.add(maps["pmtiles"], MeanColours())
    np.testing.assert_array_equal(grown.tiles.id, both.tiles.id)
    assert grown.info().source_counts == both.info().source_counts
    assert grown.info().source_counts[1].outside_region > 0
    other = write_map(tmp_path / "other.tif", texture(200, 200))
    with pytest.raises(SkyfixError, match="does not touch the imagery"):
        grown.add(other, MeanColours())
    kept = grown.path / "region.geojson"
    area(kept, maps["tiles"], (200, 200, 700, 600))
    with pytest.raises(SkyfixError, match="not the region that the gallery was built within"):
        grown.add(maps["mbtiles"], MeanColours())
    kept.unlink()
    assert "region.geojson" in verify_gallery(grown.path).damage[0]


def test_maps_are_added_with_chosen_bands(tmp_path: Path) -> None:
    pixels = texture(400, 200, 5)
    paths = [
        write_map(tmp_path / f"{name}.tif", part, origin=origin, photometric="MINISBLACK")
        for name, part, origin in (
            ("west", pixels[:, :, :200], (5e5, 5e6)),
            ("east", pixels[:, :, 200:], (500_100, 5e6)),
        )
    ]
    both = build(paths, tmp_path / "both", bands=(5, 2, 3))
    grown = build(paths[0], tmp_path / "grown", bands=(5, 2, 3))
    grown = grown.add(paths[1], MeanColours(), bands=(5, 2, 3))
    assert grown.sources == both.sources
    np.testing.assert_array_equal(grown.descriptors, both.descriptors)


def test_pyramids_are_looked_up_when_a_gallery_is_checked(tmp_path: Path) -> None:
    tiles = cut_tiles(np.moveaxis(texture(512, 512), 0, 2), ZOOM, FIRST)
    paths = [
        write_folder(tmp_path / "tiles", tiles),
        write_pmtiles(tmp_path / "m.pmtiles", tiles),
    ]
    gallery = build(paths, tmp_path / "g")
    assert verify_gallery(gallery.path).warnings == []
    tile = paths[0] / str(ZOOM) / str(FIRST[0]) / f"{FIRST[1]}.png"
    tile.write_bytes(tile.read_bytes()[:-1])
    paths[1].unlink()
    warnings = verify_gallery(gallery.path).warnings
    assert len(warnings) == 2
    assert "changed" in warnings[0] and "moved or deleted" in warnings[1]
