cwlVersion: v1.2
class: Workflow
label: common.cells
doc: >
  Cells from their probability, as spheres: positions between voxels, radii, scores and labels. The result does not depend on
  the blocks.
inputs:
  probability: {type: [File, string], doc: "Probability of cells, uint8, 255 = certain."}
  radii_um: {type: "double[]?", doc: "Radii of spheres, in micrometres."}
  gap_um: {type: "double?", doc: "How far beyond a sphere voxels are removed with it, in micrometres."}
  z_stretch: {type: "double?", doc: "Length of cells along z by their width."}
  threshold: {type: "double?", doc: "Probability (0 to 1) up to which a voxel counts as 0."}
  stop: {type: "double?", doc: "Least mean probability of a sphere that is searched for."}
  min_score: {type: "double?", doc: "Least mean probability of a cell."}
  store: string
  block: string?
  workers: int?
steps:
  search:
    run: ../tools/common.sphere_search.cwl
    in:
      probability: probability
      radii_um: radii_um
      z_stretch: z_stretch
      gap_um: gap_um
      threshold: threshold
      stop: stop
      store: store
      block: block
      workers: workers
    out: [found, pending]
  complete:
    run: ../tools/common.sphere_completion.cwl
    in:
      probability: probability
      found: search/found
      pending: search/pending
      radii_um: radii_um
      z_stretch: z_stretch
      gap_um: gap_um
      threshold: threshold
      stop: stop
      store: store
      block: block
      workers: workers
    out: [completed, left]
  select:
    run: ../tools/common.sphere_selection.cwl
    in:
      found: search/found
      completed: complete/completed
      left: complete/left
      min_score: min_score
      store: store
    out: [result]
  place:
    run: ../tools/common.spheres.cwl
    in:
      probability: probability
      spheres: select/result
      radii_um: radii_um
      z_stretch: z_stretch
      threshold: threshold
      store: store
      block: block
      workers: workers
    out: [cells, labels]
outputs:
  cells: {type: File, outputSource: place/cells}
  labels: {type: File, outputSource: place/labels}
