cwlVersion: v1.2
class: Workflow
label: common.vessels
doc: >
  Vessels from their probability: mask, centre lines, and the graph of branches with length and radius. The result does not
  depend on the blocks.
inputs:
  probability: {type: [File, string], doc: "Probability of vessel, uint8, 255 = certain."}
  threshold: {type: "int?", doc: "Minimum probability of a voxel of a vessel."}
  closing_um: {type: "double?", doc: "Radius of the ball with which the mask is closed, in micrometres."}
  min_volume_um3: {type: "double?", doc: "Volume of the smallest object that is kept, in cubic micrometres."}
  max_volume_um3: {type: "double?", doc: "Volume of the largest object that is kept, in cubic micrometres."}
  reach_um: {type: "double?", doc: "How far around a block vessels are read to thin them, in micrometres: more than the radius of the widest."}
  spur_ratio: {type: "double?", doc: "Minimum length of a branch that ends, in radii of the vessel at its junction."}
  along_faces: {type: "boolean?", doc: "Whether lines along faces of the volume, of vessels whose middle is beyond it, are kept."}
  store: string
  block: string?
  workers: int?
steps:
  find:
    run: ../tools/common.vessel_runs.cwl
    in:
      probability: probability
      threshold: threshold
      closing_um: closing_um
      store: store
      block: block
      workers: workers
    out: [runs]
  clean:
    run: ../tools/common.vessel_clean.cwl
    in: {runs: find/runs, min_volume_um3: min_volume_um3, max_volume_um3: max_volume_um3, store: store}
    out: [runs, counts]
  mask:
    run: ../tools/common.vessel_mask.cwl
    in: {image: probability, runs: clean/runs, store: store, block: block, workers: workers}
    out: [result]
  faces:
    run: ../tools/common.vessel_faces.cwl
    in: {mask: mask/result, reach_um: reach_um, store: store, block: block, workers: workers}
    out: [faces]
  exits:
    run: ../tools/common.vessel_exits.cwl
    in: {faces: faces/faces, store: store}
    out: [exits]
  thin:
    run: ../tools/common.centre_lines.cwl
    in: {mask: mask/result, exits: exits/exits, reach_um: reach_um, store: store, block: block, workers: workers}
    out: [lines, seams]
  graph:
    run: ../tools/common.vessel_graph.cwl
    in:
      runs: clean/runs
      lines: thin/lines
      seams: thin/seams
      spur_ratio: spur_ratio
      along_faces: along_faces
      store: store
    out: [vessels, nodes, points, counts, graph, trees]
outputs:
  mask: {type: File, outputSource: mask/result}
  mask_counts: {type: File, outputSource: clean/counts}
  vessels: {type: File, outputSource: graph/vessels}
  vessel_nodes: {type: File, outputSource: graph/nodes}
  vessel_points: {type: File, outputSource: graph/points}
  vessel_counts: {type: File, outputSource: graph/counts}
  vessel_graph: {type: File, outputSource: graph/graph}
  vessel_trees: {type: File, outputSource: graph/trees}
