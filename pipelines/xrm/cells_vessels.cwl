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
  raw: {type: [File, string], doc: "X-ray volume (z, y, x) with dark cells and darker vessels, 8- or 16-bit."}
  cell_probability: {type: ["null", File, string], doc: "Probability of cells from a classifier, uint8, instead of their contrast."}
  vessel_probability: {type: ["null", File, string], doc: "Probability of vessels from a classifier, uint8, instead of their contrast."}
  mask: {type: ["null", File, string], doc: "0 where there are no data."}
  no_data: {type: "double?", doc: "Grey value that means no data."}
  detect_no_data: {type: "boolean?", doc: "Whether nearly constant areas of a section have no data."}
  smoothing_um: {type: "double?", default: 0.65, doc: "Standard deviation with which the image is smoothed, in micrometres."}
  tile_um: {type: "double?", default: 10, doc: "Edge of the tiles of which the background is computed, in micrometres."}
  tile_z_um: {type: "double?", doc: "Length of these tiles along z, in micrometres, if not tile_um: a section where the brightness changes from section to section."}
  background_z_um: {type: "double?", doc: "Standard deviation along z of the window of the mean, in micrometres, if not cell_background_um and vessel_background_um: smoothing_um where the brightness changes from section to section."}
  cell_low: {type: "double?", default: 0.3, doc: "Contrast, in standard deviations, at which the probability of cells is 0."}
  cell_high: {type: "double?", default: 2.0, doc: "Contrast, in standard deviations, at which the probability of cells is 1."}
  cell_background_um: {type: "double?", default: 13, doc: "Standard deviation of the Gaussian window of the contrast of cells, in micrometres."}
  radii_um: {type: "double[]?", default: [5.2, 6.5], doc: "Radii of cells that are searched for, in micrometres."}
  gap_um: {type: "double?", default: 1.3, doc: "Voxels this near to a cell are not in another one, in micrometres."}
  cell_threshold: {type: "double?", default: 0.2, doc: "Probability of cells (0 to 1) up to which a voxel counts as 0."}
  cell_stop: {type: "double?", default: 0.3, doc: "Least mean probability of a sphere that takes its voxels from those after it."}
  min_score: {type: "double?", default: 0.45, doc: "Least mean probability of a cell."}
  vessel_low: {type: "double?", default: 2.6, doc: "Contrast, in standard deviations, at which the probability of vessels is 0."}
  vessel_high: {type: "double?", default: 3.2, doc: "Contrast, in standard deviations, at which the probability of vessels is 1."}
  vessel_background_um: {type: "double?", default: 30, doc: "Standard deviation of the Gaussian window of the contrast of vessels, in micrometres: at least five radii of the widest."}
  vessel_rim_um: {type: "double?", default: 2.0, doc: "Depth of the blurred surface of vessels, up to half their contrast, in micrometres; a voxel more than it is."}
  vessel_threshold: {type: "int?", default: 128, doc: "Minimum probability (0 to 255) of a voxel of a vessel."}
  closing_um: {type: "double?", doc: "Radius of the ball with which the mask of vessels is closed, in micrometres."}
  min_vessel_volume_um3: {type: "double?", default: 1300, doc: "Smallest object that is a vessel, in cubic micrometres; elongated pieces at faces may be smaller."}
  max_vessel_volume_um3: {type: "double?", doc: "Largest object that is a vessel, in cubic micrometres."}
  exclude_um: {type: "double?", default: 0.65, doc: "Distance from vessels in which there are no cells, in micrometres."}
  vessel_reach_um: {type: "double?", doc: "How far around a block vessels are read to thin them, in micrometres: more than the radius of the widest."}
  spur_ratio: {type: "double?", doc: "Minimum length of a branch that ends, in radii of the vessel at its junction."}
  along_faces: {type: "boolean?", doc: "Whether lines along faces of the volume, of vessels whose middle is beyond it, are kept."}
  regions: {type: ["null", File, string], doc: "Labels of regions, such as those of an atlas; 0 is outside of all."}
  grid_um: {type: "double?", doc: "Edge of a cell of the density grid, in micrometres."}
  bandwidth_um: {type: "double?", doc: "Standard deviation of the kernel of the density, in micrometres."}
  reach_um: {type: "double?", doc: "Largest distance of a cell to others and to vessels that is measured, in micrometres."}
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
