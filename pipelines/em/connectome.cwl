cwlVersion: v1.2
class: Workflow
label: em.connectome
doc: From an electron micrograph to neurons, synapses and the graph that they make.
$namespaces: {voxome: "https://voxome.org/cwl#"}
requirements:
  SubworkflowFeatureRequirement: {}
hints:
  voxome:Run:
    report: em.connectome
    scorer: em.connectome
    results: {neurons_table: neurons, connectome_graph: connectome}
inputs:
  raw: {type: [File, string], doc: "Electron micrograph, z, y, x, dark membranes."}
  membranes: {type: ["null", File, string], doc: "A membrane map, uint8, 255 = membrane, in place of the network's."}
  model: {type: "string?", doc: "Name of a network, or path of its card."}
  fragment_threshold: {type: "int?", doc: "From this value of the membrane map on a voxel is membrane."}
  fragment_depth: {type: "double?", doc: "How much lower sure membrane lies than sure inside, in voxels."}
  threshold: {type: "double?", doc: "Affinity, 0 to 1, from which two fragments are one neuron."}
  method: {type: "string?", doc: "How fragments are grouped: mean, waterz or mutex."}
  quantile: {type: "double?", doc: "Which quantile, for the method waterz."}
  min_voxels: {type: "int?", doc: "Smaller neurons are given to the neighbour they hold to best."}
  holes: {type: "boolean?", doc: "Whether what lies inside one neuron is given to it."}
  synapse_threshold: {type: "int?", doc: "Smallest score of a voxel of a synapse."}
  min_synapse_voxels: {type: "int?", doc: "Smallest synapse."}
  min_synapse_peak: {type: "int?", doc: "Smallest largest score of a synapse."}
  min_area_um2: {type: "double?", doc: "Smallest contact of two partners, in square micrometres."}
  min_asymmetry: {type: "double?", doc: "Evidence, 0 to 1, from which a synapse is directed."}
  store: {type: string, doc: "Absolute path of the folder under which steps write; voxome run sets it."}
  block: {type: "string?", doc: "Write box in voxels, Z,Y,X; voxome run sets it."}
  workers: {type: "int?", doc: "Processes a step; voxome run sets it."}
steps:
  predict:
    run: membranes.cwl
    in: {raw: raw, membranes: membranes, model: model, store: store, block: block, workers: workers}
    out: [affinities, membranes, histogram]
  segment:
    run: neurons.cwl
    in:
      membranes: predict/membranes
      affinities: predict/affinities
      fragment_threshold: fragment_threshold
      fragment_depth: fragment_depth
      threshold: threshold
      method: method
      quantile: quantile
      min_voxels: min_voxels
      holes: holes
      store: store
      block: block
      workers: workers
    out: [neurons, objects]
  detect:
    run: synapses.cwl
    in:
      raw: raw
      membranes: predict/membranes
      histogram: predict/histogram
      synapse_threshold: synapse_threshold
      store: store
      block: block
      workers: workers
    out: [synapses, score]
  associate:
    run: ../tools/em.associate.cwl
    in:
      synapses: detect/synapses
      neurons: segment/neurons
      score: detect/score
      store: store
      block: block
      workers: workers
    out: [contacts, faces, objects]
  graph:
    run: ../tools/common.graph.cwl
    in:
      contacts: associate/contacts
      faces: associate/faces
      objects: associate/objects
      neurons: segment/objects
      min_synapse_voxels: min_synapse_voxels
      min_synapse_peak: min_synapse_peak
      min_area_um2: min_area_um2
      min_asymmetry: min_asymmetry
      store: store
    out: [synapses, connectome, neurons, graph]
outputs:
  affinities: {type: File, outputSource: predict/affinities}
  membranes: {type: File, outputSource: predict/membranes}
  neurons: {type: File, outputSource: segment/neurons}
  synapses: {type: File, outputSource: graph/synapses}
  connectome: {type: File, outputSource: graph/connectome}
  neurons_table: {type: File, outputSource: graph/neurons}
  connectome_graph: {type: File, outputSource: graph/graph}
