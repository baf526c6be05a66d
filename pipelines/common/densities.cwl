cwlVersion: v1.2
class: Workflow
label: common.densities
doc: >
  Densities of cells and vessels on a grid and in regions, distances and sizes of cells. The result does not depend on the
  blocks.
inputs:
  tissue: {type: [File, string], doc: "Tissue map from common.tissue; 0 where there are no data. It has a voxel size."}
  cells: {type: [File, string], doc: "Table of cells, with positions in nm (z_nm, y_nm, x_nm)."}
  vessels: {type: ["null", File, string], doc: "Mask of vessels. Give it for the fraction of vessels and distances to them."}
  vessel_points: {type: ["null", File, string], doc: "Table of points of centre lines of vessels. Give it for the length of vessels in each cell of the grid."}
  regions: {type: ["null", File, string], doc: "Labels of regions, such as those of an atlas; 0 is outside of all. Their voxels may have another size, but they cover the tissue map. Give them for densities in each region."}
  grid_um: {type: "double?", doc: "Edge of a cell of the density grid, in micrometres; default: 50. Smaller for a finer map, with fewer cells in each."}
  bandwidth_um: {type: "double?", doc: "Standard deviation of the kernel of the density, in micrometres; default: 50. Larger for a smoother map, where cells are sparse; 0 for plain counts."}
  reach_um: {type: "double?", doc: "Largest distance of a cell to others and to vessels that is measured, in micrometres; default: 100. Larger where cells or vessels are farther apart, which takes more time."}
  bin_um: {type: "double?", doc: "Width of a bin of the radii of cells, in micrometres; default: 0.5. Smaller for more bins."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
steps:
  count:
    run: ../tools/common.density_sums.cwl
    in:
      tissue: tissue
      cells: cells
      vessels: vessels
      regions: regions
      grid_um: grid_um
      store: store
      block: block
      workers: workers
    out: [grid, regions]
  map:
    run: ../tools/common.density.cwl
    in:
      tissue: tissue
      grid: count/grid
      vessel_points: vessel_points
      grid_um: grid_um
      bandwidth_um: bandwidth_um
      store: store
      block: block
      workers: workers
    out: [density, vessel_fraction, vessel_length, table]
  compare:
    run: ../tools/common.region_densities.cwl
    in:
      regions: count/regions
      store: store
    out: [result]
  measure:
    run: ../tools/common.cell_distances.cwl
    in:
      tissue: tissue
      cells: cells
      vessels: vessels
      regions: regions
      reach_um: reach_um
      store: store
      block: block
      workers: workers
    out: [result]
  size:
    run: ../tools/common.cell_sizes.cwl
    in:
      cells: cells
      bin_um: bin_um
      store: store
    out: [result]
outputs:
  density: {type: File, outputSource: map/density}
  vessel_fraction: {type: File, outputSource: map/vessel_fraction}
  vessel_length: {type: File, outputSource: map/vessel_length}
  density_table: {type: File, outputSource: map/table}
  region_densities: {type: File, outputSource: compare/result}
  cell_distances: {type: File, outputSource: measure/result}
  cell_sizes: {type: File, outputSource: size/result}
