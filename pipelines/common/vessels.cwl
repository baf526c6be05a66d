cwlVersion: v1.2
class: Workflow
label: common.vessels
doc: >
  Vessels from their probability: mask, centre lines, and the graph of branches with length and radius. The result does not
  depend on the blocks.
inputs:
  probability: {type: [File, string], doc: "Probability of vessels, uint8, 255 = certain, with a voxel size."}
  threshold: {type: "int?", doc: "Minimum probability (1 to 255) of a voxel of a vessel; default: 128. Lower it for wider vessels, raise it where they merge."}
  closing_um: {type: "double?", doc: "Radius of the ball with which the mask is closed, in micrometres; default: 0. Set it where vessels are interrupted."}
  min_volume_um3: {type: "double?", doc: "Volume of the smallest object that is kept, in cubic micrometres; default: 0. Raise it if specks are vessels."}
  max_volume_um3: {type: "double?", doc: "Volume of the largest object that is kept, in cubic micrometres; default: no limit. Set it where something larger is no vessel."}
  reach_um: {type: "double?", doc: "How far around a block vessels are read to thin them, in micrometres; default: 20. More than the radius of the widest, better twice; a run stops where it is too small."}
  spur_ratio: {type: "double?", doc: "Minimum length of a branch that ends, in radii of the vessel at its junction; default: 2. Larger for fewer short branches."}
  along_faces: {type: "boolean?", doc: "Whether lines along faces of the volume, of vessels whose middle is beyond it, are kept; default: false. Set it to true to count what is cut lengthwise."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
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
