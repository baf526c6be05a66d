cwlVersion: v1.2
class: Workflow
label: lm.cells
doc: From a fluorescence volume, or a section, to cells and densities.
$namespaces: {voxome: "https://voxome.org/cwl#"}
requirements:
  SubworkflowFeatureRequirement: {}
hints:
  voxome:Run:
    report: common.cells_vessels
    scorer: common.cells_vessels
inputs:
  raw: {type: [File, string], doc: "Light-microscopy volume (z, y, x), or a section, with bright cells, integers of 8 or 16 bits or floats, with a voxel size."}
  background: {type: ["null", File, string], doc: "Background channel (autofluorescence) of the same voxels, which corrects the shading. Give it if you have one."}
  cell_probability: {type: ["null", File, string], doc: "Probability of cells (uint8, 255 is certain) from a classifier, instead of their contrast. Give one where contrast does not tell cells."}
  mask: {type: ["null", File, string], doc: "Volume that is 0 where there are no data; its voxels may have another size, but it covers the image. Give one if tissue ends inside of the volume where padding is not of one grey value."}
  no_data: {type: "double?", doc: "Grey value that means no data; default: none, or the attribute no_data of the image. Set it if padding has one."}
  detect_no_data: {type: "boolean?", doc: "Whether areas of a section that are constant, or nearly so, have no data; default: true. Set it to false if tissue has such areas, as sparse fluorescence on black."}
  offset: {type: "double?", doc: "Grey value without light, which is subtracted; default: 0. Set it to that of your camera, often about 100."}
  min_light: {type: "double?", doc: "Least smoothed light, above the offset, of the background channel in tissue, or of the image; default: 0. Set it where what is around the tissue is dark: where there is less light, there are no cells."}
  shading_um: {type: "double?", doc: "Standard deviation with which the background channel is smoothed, in micrometres; default: 10. Larger if cells show in it."}
  polarity: {type: "string?", default: bright, doc: "Whether cells are bright or dark. Set it to dark for Nissl or bright field."}
  unit: {type: "string?", default: mean, doc: "Unit of contrast: mean, or deviation (standard deviation), of the background. Set it, with cell_low and cell_high, to deviation where tissue has many cells."}
  smoothing_um: {type: "double?", default: 1.0, doc: "Standard deviation with which the image is smoothed, in micrometres. Larger for noise."}
  tile_um: {type: "double?", default: 10, doc: "Edge of the tiles of which the background is computed, in micrometres. Larger for fewer tiles, but less than cell_background_um."}
  beside_cells_um: {type: "double?", default: 2.0, doc: "How far around bright voxels, or dark ones, there is no background, in micrometres. Larger where cells have halos."}
  cell_low: {type: "double?", default: 0.4, doc: "Contrast to the background, as a share of it or in deviations (see unit), at which the probability of cells is 0. Raise it, with cell_high, where noise counts as cells."}
  cell_high: {type: "double?", default: 0.9, doc: "Contrast to the background, as a share of it or in deviations (see unit), at which the probability of cells is 1. Lower it if weak cells are missed."}
  cell_background_um: {type: "double?", default: 30, doc: "Standard deviation of the Gaussian window of the background of cells, in micrometres. Larger for larger or denser cells, smaller where the light changes quickly."}
  radii_um: {type: "double[]?", default: [5.2, 6.5, 8.0], doc: "Radii of cells that are searched for, in micrometres, the smallest at least a voxel. Set it to two to four radii of your cells."}
  z_stretch: {type: "double?", doc: "Length of cells along z by their width (a ratio); default: 1. Set it where a light sheet blurs along z."}
  gap_um: {type: "double?", default: 1.3, doc: "Voxels this near to a cell are not in another one, in micrometres. Smaller where cells touch, larger if one is found twice."}
  cell_threshold: {type: "double?", default: 0.2, doc: "Probability of cells (0 to 1) up to which a voxel counts as 0. Raise it where the background is noisy."}
  cell_stop: {type: "double?", default: 0.5, doc: "Least mean probability (0 to 1) of a sphere that takes its voxels from those after it. At most min_score; the search takes longer if it is lower."}
  min_score: {type: "double?", default: 0.5, doc: "Least mean probability (0 to 1) of a cell. Raise it for fewer weak detections, lower it for more."}
  regions: {type: ["null", File, string], doc: "Labels of regions, such as those of an atlas; 0 is outside of all. Their voxels may have another size, but they cover the image. Give them for densities in each region."}
  grid_um: {type: "double?", doc: "Edge of a cell of the density grid, in micrometres; default: 50. Smaller for a finer map, with fewer cells in each."}
  bandwidth_um: {type: "double?", doc: "Standard deviation of the kernel of the density, in micrometres; default: 50. Larger for a smoother map, where cells are sparse; 0 for plain counts."}
  reach_um: {type: "double?", doc: "Largest distance of a cell to others and to vessels that is measured, in micrometres; default: 100. Larger where cells or vessels are farther apart, which takes more time."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
steps:
  tissue:
    run: ../tools/common.tissue.cwl
    in:
      image: raw
      mask: mask
      no_data: no_data
      detect: detect_no_data
      store: store
      block: block
      workers: workers
    out: [tissue, sections]
  shading:
    run: ../tools/common.ratio.cwl
    in:
      image: raw
      background: background
      tissue: tissue/tissue
      smoothing_um: shading_um
      offset: offset
      min_light: min_light
      store: store
      block: block
      workers: workers
    out: [result, tissue]
  level:
    run: ../tools/common.tile_moments.cwl
    in:
      image: shading/result
      tissue: shading/tissue
      tile_um: tile_um
      store: store
      block: block
      workers: workers
    out: [moments]
  foreground:
    run: ../tools/common.local_contrast.cwl
    in:
      image: shading/result
      moments: level/moments
      tissue: shading/tissue
      polarity: polarity
      unit: unit
      low: cell_low
      high: cell_high
      smoothing_um: smoothing_um
      background_um: cell_background_um
      tile_um: tile_um
      store: store
      block: block
      workers: workers
    out: [probability]
  background_level:
    run: ../tools/common.tile_moments.cwl
    in:
      image: shading/result
      tissue: shading/tissue
      exclude: foreground/probability
      exclude_um: beside_cells_um
      tile_um: tile_um
      store: store
      block: block
      workers: workers
    out: [moments]
  cell_contrast:
    run: ../tools/common.local_contrast.cwl
    in:
      image: shading/result
      moments: background_level/moments
      tissue: shading/tissue
      probability: cell_probability
      polarity: polarity
      unit: unit
      low: cell_low
      high: cell_high
      smoothing_um: smoothing_um
      background_um: cell_background_um
      tile_um: tile_um
      store: store
      block: block
      workers: workers
    out: [probability]
  cells:
    run: ../common/cells.cwl
    in:
      probability: cell_contrast/probability
      radii_um: radii_um
      z_stretch: z_stretch
      gap_um: gap_um
      threshold: cell_threshold
      stop: cell_stop
      min_score: min_score
      store: store
      block: block
      workers: workers
    out: [cells, labels]
  densities:
    run: ../common/densities.cwl
    in:
      tissue: shading/tissue
      cells: cells/cells
      regions: regions
      grid_um: grid_um
      bandwidth_um: bandwidth_um
      reach_um: reach_um
      store: store
      block: block
      workers: workers
    out: [density, density_table, region_densities, cell_distances, cell_sizes]
  results:
    run: results.cwl
    in:
      raw: raw
      cells: cells/cells
      cell_labels: cells/labels
      probability: cell_contrast/probability
      density: densities/density
      density_table: densities/density_table
      region_densities: densities/region_densities
      cell_distances: densities/cell_distances
      cell_sizes: densities/cell_sizes
      tissue: shading/tissue
      sections: tissue/sections
    out:
      - cells
      - cell_labels
      - probability
      - density
      - density_table
      - region_densities
      - cell_distances
      - cell_sizes
      - tissue
      - sections
      - report
outputs:
  cells: {type: File, outputSource: results/cells}
  cell_labels: {type: [File, Directory], outputSource: results/cell_labels}
  probability: {type: [File, Directory], outputSource: results/probability}
  density: {type: [File, Directory], outputSource: results/density}
  density_table: {type: File, outputSource: results/density_table}
  region_densities: {type: File, outputSource: results/region_densities}
  cell_distances: {type: File, outputSource: results/cell_distances}
  cell_sizes: {type: File, outputSource: results/cell_sizes}
  tissue: {type: [File, Directory], outputSource: results/tissue}
  sections: {type: File, outputSource: results/sections}
  report: {type: File, outputSource: results/report}
