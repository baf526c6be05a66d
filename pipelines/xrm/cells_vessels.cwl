cwlVersion: v1.2
class: Workflow
label: xrm.cells_vessels
doc: From an X-ray volume of brain tissue to cells, vessels and densities.
$namespaces: {voxome: "https://voxome.org/cwl#"}
requirements:
  SubworkflowFeatureRequirement: {}
hints:
  voxome:Run:
    report: common.cells_vessels
    scorer: common.cells_vessels
inputs:
  raw: {type: [File, string], doc: "X-ray volume (z, y, x) with dark cells and darker vessels, integers of 8 or 16 bits or floats, with a voxel size."}
  cell_probability: {type: ["null", File, string], doc: "Probability of cells (uint8, 255 is certain) from a classifier, instead of their contrast. Give one where contrast does not tell cells."}
  vessel_probability: {type: ["null", File, string], doc: "Probability of vessels (uint8, 255 is certain) from a classifier, instead of their contrast. Give one where vessels are wide, or as dark as cells."}
  mask: {type: ["null", File, string], doc: "Volume that is 0 where there are no data; its voxels may have another size, but it covers the image. Give one if tissue ends inside of the volume where padding is not of one grey value."}
  no_data: {type: "double?", doc: "Grey value that means no data; default: none, or the attribute no_data of the image. Set it if padding has one."}
  detect_no_data: {type: "boolean?", doc: "Whether areas of a section that are constant, or nearly so, have no data; default: true. Set it to false if tissue has such areas, as wide vessels without noise."}
  smoothing_um: {type: "double?", default: 0.65, doc: "Standard deviation with which the image is smoothed, in micrometres. Larger for noise, smaller for thin vessels."}
  tile_um: {type: "double?", default: 10, doc: "Edge of the tiles of which the background is computed, in micrometres. Larger for fewer tiles, but less than the windows of the contrast."}
  tile_z_um: {type: "double?", doc: "Length of these tiles along z, in micrometres; default: tile_um. Set it to the length of a section where the brightness changes from section to section."}
  background_z_um: {type: "double?", doc: "Standard deviation along z of the window of the mean, in micrometres; default: cell_background_um and vessel_background_um. Set it to smoothing_um where the brightness changes from section to section."}
  cell_low: {type: "double?", default: 0.3, doc: "Contrast, in standard deviations, at which the probability of cells is 0. Raise it, with cell_high, where the tissue has few cells."}
  cell_high: {type: "double?", default: 2.0, doc: "Contrast, in standard deviations, at which the probability of cells is 1. Lower it if weak cells are missed."}
  cell_background_um: {type: "double?", default: 13, doc: "Standard deviation of the Gaussian window of the contrast of cells, in micrometres: about two radii of cells. Larger for larger cells."}
  radii_um: {type: "double[]?", default: [5.2, 6.5], doc: "Radii of cells that are searched for, in micrometres, the smallest at least a voxel. Set it to two to four radii of your cells."}
  gap_um: {type: "double?", default: 1.3, doc: "Voxels this near to a cell are not in another one, in micrometres. Smaller where cells touch, larger if one is found twice."}
  cell_threshold: {type: "double?", default: 0.2, doc: "Probability of cells (0 to 1) up to which a voxel counts as 0. Raise it where the background is noisy."}
  cell_stop: {type: "double?", default: 0.3, doc: "Least mean probability (0 to 1) of a sphere that takes its voxels from those after it. At most min_score; the search takes longer if it is lower."}
  min_score: {type: "double?", default: 0.45, doc: "Least mean probability (0 to 1) of a cell. Raise it for fewer weak detections, lower it for more."}
  vessel_low: {type: "double?", default: 2.6, doc: "Contrast, in standard deviations, at which the probability of vessels is 0. Lower it, with vessel_high, where vessels are missed."}
  vessel_high: {type: "double?", default: 3.2, doc: "Contrast, in standard deviations, at which the probability of vessels is 1. Lower it, with vessel_low, where vessels are missed."}
  vessel_background_um: {type: "double?", default: 30, doc: "Standard deviation of the Gaussian window of the contrast of vessels, in micrometres: at least five radii of the widest. Larger where vessels have radii of more than 6 micrometres."}
  vessel_rim_um: {type: "double?", default: 2.0, doc: "Depth of the blurred surface of vessels, up to half their contrast, in micrometres; a voxel more than it is. Larger where radii are too small, as in a blurred volume."}
  vessel_threshold: {type: "int?", default: 128, doc: "Minimum probability (1 to 255) of a voxel of a vessel. Lower it for wider vessels, raise it where they merge."}
  closing_um: {type: "double?", doc: "Radius of the ball with which the mask of vessels is closed, in micrometres; default: 0. Set it where vessels are interrupted."}
  min_vessel_volume_um3: {type: "double?", default: 1300, doc: "Smallest object that is a vessel, in cubic micrometres; elongated pieces at faces may be smaller. Lower it where short pieces matter, raise it if specks are vessels."}
  max_vessel_volume_um3: {type: "double?", doc: "Largest object that is a vessel, in cubic micrometres; default: no limit. Set it where something large and dark is no vessel."}
  exclude_um: {type: "double?", default: 0.65, doc: "Distance from vessels in which there are no cells, in micrometres. Larger if walls of vessels are found as cells, 0 if cells touch vessels."}
  vessel_reach_um: {type: "double?", doc: "How far around a block vessels are read to thin them, in micrometres; default: 20. More than the radius of the widest, better twice; a run stops where it is too small."}
  spur_ratio: {type: "double?", doc: "Minimum length of a branch that ends, in radii of the vessel at its junction; default: 2. Larger for fewer short branches."}
  along_faces: {type: "boolean?", doc: "Whether lines along faces of the volume, of vessels whose middle is beyond it, are kept; default: false. Set it to true to count what is cut lengthwise."}
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
  background:
    run: ../tools/common.tile_moments.cwl
    in:
      image: raw
      tissue: tissue/tissue
      tile_um: tile_um
      tile_z_um: tile_z_um
      store: store
      block: block
      workers: workers
    out: [moments]
  vessel_contrast:
    run: ../tools/common.local_contrast.cwl
    in:
      image: raw
      moments: background/moments
      tissue: tissue/tissue
      probability: vessel_probability
      polarity: {default: dark}
      low: vessel_low
      high: vessel_high
      smoothing_um: smoothing_um
      background_um: vessel_background_um
      background_z_um: background_z_um
      tile_um: tile_um
      tile_z_um: tile_z_um
      rim_um: vessel_rim_um
      store: store
      block: block
      workers: workers
    out: [probability]
  vessels:
    run: ../common/vessels.cwl
    in:
      probability: vessel_contrast/probability
      threshold: vessel_threshold
      closing_um: closing_um
      min_volume_um3: min_vessel_volume_um3
      max_volume_um3: max_vessel_volume_um3
      reach_um: vessel_reach_um
      spur_ratio: spur_ratio
      along_faces: along_faces
      store: store
      block: block
      workers: workers
    out: [mask, vessels, vessel_nodes, vessel_points, vessel_counts, vessel_graph, vessel_trees]
  cell_contrast:
    run: ../tools/common.local_contrast.cwl
    in:
      image: raw
      moments: background/moments
      tissue: tissue/tissue
      probability: cell_probability
      exclude: vessels/mask
      polarity: {default: dark}
      low: cell_low
      high: cell_high
      smoothing_um: smoothing_um
      background_um: cell_background_um
      background_z_um: background_z_um
      tile_um: tile_um
      tile_z_um: tile_z_um
      exclude_um: exclude_um
      store: store
      block: block
      workers: workers
    out: [probability]
  cells:
    run: ../common/cells.cwl
    in:
      probability: cell_contrast/probability
      radii_um: radii_um
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
      tissue: tissue/tissue
      cells: cells/cells
      vessels: vessels/mask
      vessel_points: vessels/vessel_points
      regions: regions
      grid_um: grid_um
      bandwidth_um: bandwidth_um
      reach_um: reach_um
      store: store
      block: block
      workers: workers
    out: [density, vessel_fraction, vessel_length, density_table, region_densities, cell_distances, cell_sizes]
  results:
    run: results.cwl
    in:
      raw: raw
      cell_probability: cell_probability
      vessel_probability: vessel_probability
      cells: cells/cells
      cell_labels: cells/labels
      probability: cell_contrast/probability
      vessel_map: vessel_contrast/probability
      vessel_mask: vessels/mask
      vessels: vessels/vessels
      vessel_nodes: vessels/vessel_nodes
      vessel_points: vessels/vessel_points
      vessel_graph: vessels/vessel_graph
      vessel_trees: vessels/vessel_trees
      density: densities/density
      vessel_fraction: densities/vessel_fraction
      vessel_length: densities/vessel_length
      density_table: densities/density_table
      region_densities: densities/region_densities
      cell_distances: densities/cell_distances
      cell_sizes: densities/cell_sizes
      tissue: tissue/tissue
      sections: tissue/sections
    out:
      - cells
      - cell_labels
      - probability
      - vessel_map
      - vessel_mask
      - vessels
      - vessel_nodes
      - vessel_points
      - vessel_graph
      - vessel_trees
      - density
      - vessel_fraction
      - vessel_length
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
  vessel_map: {type: [File, Directory], outputSource: results/vessel_map}
  vessel_mask: {type: [File, Directory], outputSource: results/vessel_mask}
  vessels: {type: File, outputSource: results/vessels}
  vessel_nodes: {type: File, outputSource: results/vessel_nodes}
  vessel_points: {type: File, outputSource: results/vessel_points}
  vessel_graph: {type: File, outputSource: results/vessel_graph}
  vessel_trees: {type: File, outputSource: results/vessel_trees}
  density: {type: [File, Directory], outputSource: results/density}
  vessel_fraction: {type: [File, Directory], outputSource: results/vessel_fraction}
  vessel_length: {type: [File, Directory], outputSource: results/vessel_length}
  density_table: {type: File, outputSource: results/density_table}
  region_densities: {type: File, outputSource: results/region_densities}
  cell_distances: {type: File, outputSource: results/cell_distances}
  cell_sizes: {type: File, outputSource: results/cell_sizes}
  tissue: {type: [File, Directory], outputSource: results/tissue}
  sections: {type: File, outputSource: results/sections}
  report: {type: File, outputSource: results/report}
