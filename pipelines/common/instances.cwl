cwlVersion: v1.2
class: Workflow
label: common.instances
doc: >
  Cells or nuclei as instances, from their probability: a watershed parts those that touch, and those of the wrong size are
  left out. The result does not depend on the blocks.
$namespaces: {voxome: "https://voxome.org/cwl#"}
inputs:
  probability: {type: [File, string], doc: "Probability of cells, uint8, 255 = certain, with a voxel size."}
  threshold: {type: "double?", doc: "Probability (0 to 1) from which a voxel belongs to a cell; default: 0.5. Raise it where cells merge, lower it where they are too small."}
  sigma_um: {type: "double?", doc: "Standard deviation of the smoothing of the distance to the background, in micrometres; default: 1.5. A larger one parts fewer cells."}
  max_radius_um: {type: "double?", doc: "Cap on the distance to the background, in micrometres; default: 8. At least the radius of the largest cell."}
  min_volume_um3: {type: "double?", doc: "Volume of the smallest cell, in cubic micrometres; default: 0. Raise it if specks are cells."}
  max_volume_um3: {type: "double?", doc: "Volume of the largest cell, in cubic micrometres; default: no limit. Set it where something larger is no cell."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
steps:
  part:
    run: ../tools/common.instance_basins.cwl
    in:
      probability: probability
      threshold: threshold
      sigma_um: sigma_um
      max_radius_um: max_radius_um
      store: store
      block: block
      workers: workers
    out: [basins]
  join:
    run: ../tools/em.fragments_join.cwl
    in: {basins: part/basins, store: store, block: block, workers: workers}
    out: [lookup]
  apply:
    run: ../tools/em.fragments_apply.cwl
    in: {basins: part/basins, lookup: join/lookup, store: store, block: block, workers: workers}
    out: [fragments]
  measure:
    run: ../tools/common.instance_sums.cwl
    in: {labels: apply/fragments, probability: probability, store: store, block: block, workers: workers}
    out: [result]
  select:
    run: ../tools/common.instances.cwl
    in:
      labels: apply/fragments
      sums: measure/result
      min_volume_um3: min_volume_um3
      max_volume_um3: max_volume_um3
      store: store
    out: [cells, lookup]
  relabel:
    run: ../tools/common.relabel.cwl
    in: {labels: apply/fragments, lookup: select/lookup, store: store, block: block, workers: workers}
    out: [result]
  results:
    run: instances_results.cwl
    in:
      cells: select/cells
      labels: relabel/result
    out: [cells, labels]
outputs:
  cells: {type: File, outputSource: results/cells}
  labels: {type: [File, Directory], outputSource: results/labels}
