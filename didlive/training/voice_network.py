"""The voice network: log-mel frames to visemes, closed lips, jaw opening and voicing; 30 ms of look-ahead."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ..voice.lips import AHEAD, BEHIND, HIDDEN, LAYERS
from ..voice.mel import BANDS
from ..voice.visemes import VISEMES

CONTEXT = BEHIND + 1 + AHEAD
OUT = len(VISEMES) + 3


class VoiceNetwork(nn.Module):
    """One convolution over a few frames around the present one, then two gated recurrent layers (Cho et al. 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(BANDS, HIDDEN, CONTEXT)
        self.memory = nn.GRU(HIDDEN, HIDDEN, LAYERS, batch_first=True, dropout=0.1)
        self.head = nn.Linear(HIDDEN, OUT)

    def forward(self, mel: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """mel: (n, frames, BANDS). Return (n, frames, OUT) logits, and the state after the last frame."""
        padded = nn.functional.pad(mel.transpose(1, 2), (BEHIND, AHEAD), mode="replicate")
        felt = torch.relu(self.stem(padded)).transpose(1, 2)
        remembered, after = self.memory(felt, state)
        return self.head(remembered), after


class Step(nn.Module):
    """The same network for one frame, as it runs live: plain matrix products, probabilities out."""

    def __init__(self, network: VoiceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """mel: (1, CONTEXT, BANDS); state: (LAYERS, 1, HIDDEN). Return (1, OUT) probabilities and jaw, next state."""
        n = self.network
        x = torch.relu(nn.functional.linear(mel.transpose(1, 2).flatten(1), n.stem.weight.flatten(1), n.stem.bias))
        states = []
        for k in range(LAYERS):
            w_in, w_state = getattr(n.memory, f"weight_ih_l{k}"), getattr(n.memory, f"weight_hh_l{k}")
            b_in, b_state = getattr(n.memory, f"bias_ih_l{k}"), getattr(n.memory, f"bias_hh_l{k}")
            before = state[k]
            r_in, z_in, n_in = nn.functional.linear(x, w_in, b_in).chunk(3, dim=1)
            r_state, z_state, n_state = nn.functional.linear(before, w_state, b_state).chunk(3, dim=1)
            reset, update = torch.sigmoid(r_in + r_state), torch.sigmoid(z_in + z_state)
            x = (1 - update) * torch.tanh(n_in + reset * n_state) + update * before
            states.append(x)
        out = n.head(x)
        shapes, rest = torch.softmax(out[:, :len(VISEMES)], dim=1), torch.sigmoid(out[:, len(VISEMES):])
        return torch.cat([shapes, rest], dim=1), torch.stack(states)


def export(network: VoiceNetwork, file: Path) -> None:
    """Write the network as ONNX, one frame per run."""
    example = (torch.zeros(1, CONTEXT, BANDS), torch.zeros(LAYERS, 1, HIDDEN))
    with warnings.catch_warnings():
        # The exporter warns of its own future.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(Step(network.eval()), example, input_names=["mel", "state"],
                                    output_names=["lips", "state_out"], opset_version=20, dynamo=True,
                                    external_data=False, verbose=False)
    assert program is not None
    program.save(file)
