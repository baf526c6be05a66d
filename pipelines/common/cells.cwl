cwlVersion: v1.2
class: Workflow
label: common.cells
doc: >
  Cells from their probability, as spheres: positions between voxels, radii, scores and labels. The result does not depend on
  the blocks.
inputs:
  probability: {type: [File, string], doc: "Probability of cells, uint8, 255 = certain, with a voxel size."}
  radii_um: {type: "double[]?", doc: "Radii of spheres, in micrometres, the smallest at least a voxel; default: 6. Set it to two to four radii of your cells."}
  gap_um: {type: "double?", doc: "How far beyond a sphere voxels are removed with it, in micrometres; default: 2.5. Smaller where cells touch, larger if one is found twice."}
  z_stretch: {type: "double?", doc: "Length of cells along z by their width (a ratio); default: 1. Set it where a light sheet blurs along z."}
  threshold: {type: "double?", doc: "Probability (0 to 1) up to which a voxel counts as 0; default: 0.2. Raise it where the background is noisy."}
  stop: {type: "double?", doc: "Least mean probability (0 to 1) of a sphere that takes its voxels from those after it; default: 0.47. Lower it for weaker cells; the search takes longer then."}
  min_score: {type: "double?", doc: "Least mean probability (0 to 1) of a cell; default: 0. Raise it for fewer weak detections."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
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
